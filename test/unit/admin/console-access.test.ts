/** Sessions and time: how long they last, and clocks that jump. */
import type { IncomingMessage } from 'node:http';
import { expect } from 'chai';
import { ConsoleAccess } from '../../../filter/admin/console/access.ts';
import { AccessLog } from '../../../filter/admin/console/access-log.ts';
import type { SessionId } from '../../../filter/admin/console/session-cookie.ts';
import type { Person } from '../../../filter/admin/console/tokens.ts';
import { openLog } from '../../../filter/log.ts';
import { NOW, silent } from './console-fixture.ts';

const HOUR_MS = 3_600_000;
const ANA: Person = { name: 'ana', tokenHash: 'aa'.repeat(32) };

function door() {
  const clock = { now: NOW, elapsed: 0 };
  const tokens = { personOf: (token: string) => (token === 'good' ? ANA : undefined), named: () => [ANA], close() {} };
  const elapsed = (): number => clock.elapsed;
  const lines: Readonly<Record<string, unknown>>[] = [];
  const log = openLog(0, { write: (line) => lines.push(JSON.parse(line)) });
  const accessLog = new AccessLog({ log, isToken: (text) => text === 'good', elapsed });
  const over = new Set<SessionId>();
  const signedOut = { has: (id: SessionId) => over.has(id), add: async (id: SessionId) => void over.add(id) };
  const access = new ConsoleAccess({ tokens, signedOut, accessLog, log: silent, now: () => clock.now, elapsed });
  return { clock, access, accessLog, lines };
}

function request(cookie?: string, remoteAddress = '10.0.0.1'): IncomingMessage {
  return { headers: { cookie }, socket: { remoteAddress } } as IncomingMessage;
}

describe('a session of the console', () => {
  it('lasts twelve hours, and not longer because it was made while the clock was wrong', async () => {
    const { clock, access } = door();
    const entered = await access.signIn('good', request());
    const cookie = entered.outcome === 'in' ? (entered.cookie.split(';')[0] ?? '') : '';
    const isIn = (): boolean => access.visitorOf(request(cookie)) !== undefined;
    expect(isIn()).to.equal(true);
    clock.now = NOW + 12 * HOUR_MS - 1_000;
    expect(isIn()).to.equal(true);
    clock.now = NOW + 12 * HOUR_MS;
    expect(isIn()).to.equal(false);
    clock.now = NOW - HOUR_MS;
    expect(isIn()).to.equal(false);
  });

  it('can be begun a minute after ten wrong tokens, whatever the clock was set to meanwhile', async () => {
    const { clock, access } = door();
    for (let count = 0; count < 10; count++) await access.signIn('wrong', request());
    clock.now = NOW - 1_000 * HOUR_MS;
    expect((await access.signIn('good', request())).outcome).to.equal('too_many');
    clock.elapsed = 60_001;
    expect((await access.signIn('good', request())).outcome).to.equal('in');
  });
});

describe('the console’s log of who looked at what', () => {
  it('is not flooded by wrong tokens: ten from one address, sixty a minute from all, and how many more', async () => {
    const { clock, access, lines } = door();
    for (let count = 0; count < 1_000; count++) await access.signIn('wrong', request(undefined, '10.0.0.1'));
    expect(lines.map(({ event }) => event)).to.deep.equal(Array(10).fill('sign_in_refused'));
    for (let count = 0; count < 1_000; count++) await access.signIn('wrong', request(undefined, `10.1.0.${count}`));
    expect(lines).to.have.length(60);
    expect(access.signIns).to.deep.equal({ accepted: 0, refused: 1_010, too_many: 990 });
    clock.elapsed = 60_001;
    await access.signIn('wrong', request(undefined, '10.0.0.1'));
    await access.signIn('wrong', request(undefined, '10.0.0.1'));
    expect(lines.slice(60).map(({ address, untold }) => [address, untold])).to.deep.equal([
      ['10.0.0.1', 950],
      ['10.0.0.1', undefined],
    ]);
    expect(JSON.stringify(lines)).not.to.include('wrong');
  });

  it('tells a search once a minute that an open page repeats; any other one at once', () => {
    const { clock, accessLog, lines } = door();
    const ana = { person: 'ana', address: '10.0.0.1', by: 'session' } as const;
    const look = { filters: { tenant: 'alpha' }, cursor: undefined, results: 3 };
    const search = (of: Partial<typeof ana> = {}, how: object = {}): void =>
      accessLog.searched({ ...ana, ...of }, '/console/audit', { ...look, ...how });
    for (let count = 0; count < 12; count++) {
      search();
      clock.elapsed += 5_000;
    }
    expect(lines).to.have.length(1);
    search();
    expect(lines).to.have.length(2);
    const others = [{ filters: {} }, { filters: { tenant: 'beta' } }, { cursor: 'filter~1~2' }, { results: undefined }];
    for (const how of others) search({}, how);
    accessLog.searched({ ...ana, person: 'ben' }, '/console/audit', look);
    accessLog.searched(ana, '/console/api/audit', look);
    expect(lines).to.have.length(8);
  });

  it('keeps no token and no key that somebody has put into a search', () => {
    const { accessLog, lines } = door();
    const ana = { person: 'ana', address: '10.0.0.1', by: 'token' } as const;
    // Ours, though its digits would pass as a card's.
    const id = 'req_41111111-1111-1111-a000-000000000000';
    const filters = { tenant: 'alpha', agent: 'good', request: 'gk-Ab3dE6000000000000000000000000', since: '24h' };
    accessLog.searched(ana, '/console/audit', { filters, cursor: undefined, results: 0 });
    for (const requestId of ['good', 'sk-ant-0123456789abcdefghij', id])
      accessLog.viewed(ana, '/console/requests/', { requestId, results: 0 });
    const told = { tenant: 'alpha', agent: '[redacted token]', request: '[redacted key]', since: '24h' };
    expect(lines[0]).to.include({ name: 'console_access', event: 'audit_search', person: 'ana', by: 'token', results: 0 });
    expect(lines[0]?.['filters']).to.deep.equal(told);
    expect(lines.slice(1).map(({ requestId }) => requestId)).to.deep.equal([...['[redacted token]', '[redacted key]', id]]);
  });

  it('keeps no token that came with what stands around it: a line of the token file, a header, an address', () => {
    const { accessLog, lines } = door();
    const ana = { person: 'ana', address: '10.0.0.1', by: 'session' } as const;
    for (const requestId of ['ana:good', 'Bearer good', '"good",', 'token=good&x=1', 'goodness', 'good/1'])
      accessLog.viewed(ana, '/console/requests/', { requestId, results: 0 });
    const token = '[redacted token]';
    const told = [`ana:${token}`, `Bearer ${token}`, `"${token}",`, `token=${token}&x=1`, 'goodness', `${token}/1`];
    expect(lines.map(({ requestId }) => requestId)).to.deep.equal(told);
  });

  it('shows in a terminal what was asked for, and nothing that only looks like it', () => {
    const raw: string[] = [];
    const log = openLog(0, { write: (line) => raw.push(line) });
    const plain = new AccessLog({ log, isToken: () => false, elapsed: () => 0 });
    const ana = { person: 'ana', address: '10.0.0.1', by: 'token' } as const;
    plain.viewed(ana, '/console/requests/', { requestId: 'a\n\u001b[2K\u009b2K\u0085\u2028\u202eb\u007f', results: 0 });
    const filters = { tenant: '\u009b1A\u202eoverwritten' };
    plain.searched(ana, '/console/audit', { filters, cursor: undefined, results: 0 });
    expect(raw.map((line) => line.trimEnd()).filter((line) => /[^ -~\ufffd’]/u.test(line))).to.deep.equal([]);
    expect(raw.join('')).to.include('\ufffd1A\ufffdoverwritten').and.include('\\u001b[2K');
  });
});
