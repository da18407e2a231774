/** Who gets into the console over HTTP, how, and out again; and what every answer carries. */
import { rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ConsoleTokenError, openTokens } from '../../../filter/admin/console/tokens.ts';
import { waitFor } from '../../stack/processes.ts';
import { ANA, BEN, bearer, PAGES, silent, snapshot, startConsole, type TestConsole } from './console-fixture.ts';

async function signIn(
  console: TestConsole,
  token: string,
  headers: Record<string, string> = {},
  next = '/console/',
): Promise<Response> {
  const body = new URLSearchParams({ token, next });
  return console.get('/console/sign-in', { method: 'POST', body, headers: { origin: console.url, ...headers } });
}

const cookieOf = (response: Response): string => response.headers.get('set-cookie')?.split(';')[0] ?? '';

describe('the console’s door', () => {
  let console: TestConsole;
  beforeEach(async () => {
    console = await startConsole(() => [snapshot()]);
  });
  afterEach(() => console.close());

  it('shows nothing without a session: a form, or 401 for programs', async () => {
    for (const path of [...PAGES, '/console/requests/req_1', '/console/nothing']) {
      const answer = await console.get(path);
      expect(answer.status).to.equal(401);
      expect(await answer.text())
        .to.include('Your console token')
        .and.not.include('gpt');
    }
    for (const path of ['/console/api/state', '/console/api/audit', '/console/api/requests/x']) {
      const answer = await console.get(path);
      expect([answer.status, answer.headers.get('www-authenticate')]).to.deep.equal([401, 'Bearer']);
    }
    expect((await console.get('/healthz')).status).to.equal(200);
  });

  it('lets in with a token, by a cookie that scripts cannot read and other sites do not send; and out again', async () => {
    const entered = await signIn(console, ANA);
    expect([entered.status, entered.headers.get('location')]).to.deep.equal([303, '/console/']);
    expect(entered.headers.get('set-cookie')).to.match(
      /^gateway_console=ana~\d{10}~[A-Za-z0-9_-]{22}~[A-Za-z0-9_-]{43}; Path=\/console; Max-Age=43200; HttpOnly; SameSite=Strict$/,
    );
    expect((await signIn(console, ANA, { 'x-forwarded-proto': 'https' })).headers.get('set-cookie')).to.match(/; Secure$/);
    const headers = { cookie: cookieOf(entered) };
    const shown = await console.get('/console/', { headers });
    expect(shown.status).to.equal(200);
    expect(await shown.text())
      .to.include('ana')
      .and.include('gpt');
    const left = await console.get('/console/sign-out', { method: 'POST', headers });
    expect(left.headers.get('set-cookie')).to.include('Max-Age=0');
    expect((await console.get('/console/', { headers })).status).to.equal(401);
    expect((await console.get('/console/', { headers: { cookie: `gateway_console=${'A'.repeat(43)}` } })).status).to.equal(
      401,
    );
  });

  it('takes no form of another site, and goes on nowhere else', async () => {
    const foreign: Record<string, string>[] = [
      { origin: 'https://evil.test' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
    ];
    for (const headers of foreign) expect((await signIn(console, ANA, headers)).status).to.equal(403);
    for (const next of [
      'https://evil.test/console/',
      '//evil.test/console/',
      '/\\evil.test/console/',
      'javascript:alert(1)',
      '/metrics',
    ])
      expect((await signIn(console, ANA, {}, next)).headers.get('location'), next).to.equal('/console/');
    expect((await signIn(console, ANA, {}, '/console/audit?tenant=a')).headers.get('location')).to.equal(
      '/console/audit?tenant=a',
    );
    for (const method of ['PUT', 'DELETE'])
      expect((await console.get('/console/', { ...bearer(ANA), method })).status).to.equal(405);
    expect((await console.get('/console/policy', { ...bearer(ANA), method: 'POST' })).status).to.equal(405);
    const long = await console.get('/console/sign-in', {
      method: 'POST',
      body: 'x'.repeat(10_000),
      headers: { origin: console.url },
    });
    expect(long.status).to.equal(413);
    // Browsers say themselves where a form comes from, whatever host a proxy has put in place of theirs.
    const behindProxy = { origin: 'https://console.example', 'sec-fetch-site': 'same-origin' };
    expect((await signIn(console, ANA, behindProxy)).status).to.equal(303);
    const left = await console.get('/console/sign-out', { method: 'POST', headers: { 'sec-fetch-site': 'same-site' } });
    expect(left.status).to.equal(403);
  });

  it('closes for a minute after ten wrong tokens, also to the right one', async () => {
    for (let count = 0; count < 10; count++) expect((await signIn(console, 'x'.repeat(30))).status).to.equal(401);
    const refused = await signIn(console, ANA);
    expect(refused.status).to.equal(429);
    expect(Number(refused.headers.get('retry-after'))).to.be.within(1, 60);
    expect((await console.get('/console/api/state', bearer(ANA))).status).to.equal(401);
  });

  it('knows a session again after a restart, and no cookie that was changed, made up, signed out of or made by another’s token', async () => {
    const cookie = cookieOf(await signIn(console, ANA));
    const statusOf = async (of: string): Promise<number> =>
      (await console.get('/console/', { headers: { cookie: of } })).status;
    await console.restart();
    expect(await statusOf(`other=1; ${cookie}`)).to.equal(200);
    const [, end = '', id = '', signed = ''] = cookie.split('~');
    const later = String(Number(end) + 1);
    const bens = cookieOf(await signIn(console, BEN)).split('~')[3] ?? '';
    for (const changed of [
      ...[cookie.replace('ana', 'ben'), cookie.replace(end, later), cookie.replace(id, 'A'.repeat(22)), `${cookie}x`],
      ...[cookie.replace(signed, bens), cookie.replace(signed, ''), cookie.replace('ana', 'nobody'), 'gateway_console=ana'],
    ])
      expect(await statusOf(changed), changed).to.equal(401);
    const entered = await signIn(console, ANA, { cookie });
    expect(await statusOf(cookie), 'a new session takes the place of the one before').to.equal(401);
    const left = await console.get('/console/sign-out', { method: 'POST', headers: { cookie: cookieOf(entered) } });
    expect([left.status, await statusOf(cookieOf(entered))]).to.deep.equal([303, 401]);
    const other = cookieOf(await signIn(console, ANA));
    await console.restart();
    for (const over of [cookie, cookieOf(entered)]) expect(await statusOf(over), 'after a restart').to.equal(401);
    expect(await statusOf(other)).to.equal(200);
  });

  it('lets people out also where it cannot be kept over a restart, and says so', async () => {
    const cookie = cookieOf(await signIn(console, ANA));
    // Where a directory is wanted.
    writeFileSync(join(console.directory, 'state'), '');
    await console.get('/console/sign-out', { method: 'POST', headers: { cookie } });
    expect((await console.get('/console/', { headers: { cookie } })).status).to.equal(401);
    expect(console.lines.map(({ msg }) => msg)).to.include('who signed out of the console cannot be kept over a restart');
  });

  it('takes a person out who is taken out of the file, and lets in who comes', async () => {
    const ana = { headers: { cookie: cookieOf(await signIn(console, ANA)) } };
    const ben = { headers: { cookie: cookieOf(await signIn(console, BEN)) } };
    expect((await console.get('/console/', ana)).status).to.equal(200);
    writeFileSync(console.tokenFile, `ben:${BEN}\nshort:abc\ncat:cat-token-0123456789abcdef\n`);
    utimesSync(console.tokenFile, 1, 1);
    await waitFor('ana to be out', undefined, async () => (await console.get('/console/', ana)).status === 401);
    expect((await console.get('/console/', ben)).status).to.equal(200);
    expect((await console.get('/console/api/state', bearer('cat-token-0123456789abcdef'))).status).to.equal(200);
    rmSync(console.tokenFile);
    await waitFor('all to be out', undefined, async () => (await console.get('/console/', ben)).status === 401);
  });

  it('says on every answer what browsers may do with it: nothing but show it', async () => {
    for (const path of ['/console/', '/console/console.css', '/console/console.js', '/console/api/state', '/console/x']) {
      const { headers } = await console.get(path, bearer(ANA));
      expect(headers.get('content-security-policy'), path)
        .to.match(/^default-src 'none'; /)
        .and.include("frame-ancestors 'none'");
      expect(headers.get('content-security-policy')).not.to.include('unsafe');
      expect([headers.get('cache-control'), headers.get('x-content-type-options')]).to.deep.equal(['no-store', 'nosniff']);
    }
    const text = await (await console.get('/console/', bearer(ANA))).text();
    expect(text).not.to.match(/ style=| on[a-z]+=|https?:\/\//);
  });

  it('is not there without a token file, and does not begin with a bad one', async () => {
    const path = `${console.tokenFile}-2`;
    expect(() => openTokens(path, silent)).to.throw(ConsoleTokenError, 'cannot be read (ENOENT)');
    for (const [text, problem] of [
      ['# nobody\n', 'has nobody in it'],
      ['ana:short-secret\n', ':1: the token of ana has 12 characters; at least 24'],
      [`ok:${ANA}\nno-colon-${BEN}\n`, ':2: expected name:token'],
    ] as const) {
      writeFileSync(path, text);
      expect(() => openTokens(path, silent)).to.throw(ConsoleTokenError, problem);
      expect(() => openTokens(path, silent))
        .to.throw()
        .and.satisfy(({ message }: Error) => !/short-secret|ben-token/.test(message));
    }
  });
});
