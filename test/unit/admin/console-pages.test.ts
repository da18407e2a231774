/** The console’s pages over HTTP: what they say, and that nothing out of a record or a policy becomes markup. */
import { appendFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { AuditPage } from '../../../filter/admin/console/audit-query.ts';
import { html } from '../../../filter/admin/console/html.ts';
import type { WorkerSnapshot } from '../../../filter/admin/console/snapshot.ts';
import { waitFor } from '../../stack/processes.ts';
import { attempt, record } from '../observability/observed.ts';
import { ANA, BEN, bearer, NOW, PAGES, snapshot, startConsole, writeSegment } from './console-fixture.ts';

const HOSTILE = `"><script>alert(1)</script>'<img src=x onerror=alert(1)>\u202e\u0000&amp;`;

describe('html', () => {
  it('escapes whatever is put into it, but for what came out of it', () => {
    expect(String(html`<b title="${'"\'<>&'}">${['a<', html`<i>${'&'}</i>`, undefined, false, null, 0]}</b>`)).to.equal(
      '<b title="&quot;&#39;&lt;&gt;&amp;">a&lt;<i>&amp;</i>0</b>',
    );
    // An object that says it is markup is none, and signs that cannot be seen are seen.
    expect(String(html`${'\u202egnp.exe\u0000'}`)).to.equal('\\u202egnp.exe\\u0000');
  });
});

/** Everything that comes from outside is hostile. */
function hostileSnapshot(): WorkerSnapshot {
  const plain = snapshot();
  const [target] = plain.targets;
  const [traffic] = plain.traffic.targets;
  if (target === undefined || traffic === undefined) throw new Error('no fixture');
  const failure = { at: NOW, outcome: HOSTILE, status: 500, requestId: HOSTILE };
  return snapshot({
    targets: [
      {
        ...target,
        target: HOSTILE,
        cluster: HOSTILE,
        model: HOSTILE,
        region: HOSTILE,
        health: 'down',
        until: NOW + 1_000,
        headroom: [{ kind: HOSTILE, room: 0.1 }],
        waiting: 3,
      },
    ],
    traffic: {
      ...plain.traffic,
      targets: [
        { ...traffic, target: HOSTILE, model: HOSTILE, outcomes: { [HOSTILE]: 3 }, lastFailure: failure },
        { ...traffic, target: `gone${HOSTILE}` },
      ],
      moves: [{ tenant: HOSTILE, alias: HOSTILE, from: HOSTILE, to: HOSTILE, reason: HOSTILE, count: 2, lastAt: NOW }],
      beats: [{ at: NOW - 20_000, targets: { [HOSTILE]: [4, 3] } }],
      spend: [{ tenant: HOSTILE, feature: HOSTILE, requests: 1, inputTokens: 2, outputTokens: 3, nanoUsd: 4, unpriced: 1 }],
    },
    keys: [
      {
        credential: HOSTILE,
        fingerprint: HOSTILE,
        condition: 'refused',
        refusals: 1,
        until: NOW + 9_000,
        targets: [HOSTILE],
      },
    ],
    clusterProblems: [[HOSTILE, HOSTILE]],
    policy: {
      ...plain.policy,
      version: HOSTILE,
      edit: 'refused',
      problems: [HOSTILE],
      priceBook: HOSTILE,
      aliases: [{ alias: HOSTILE, order: HOSTILE, chain: [HOSTILE] }],
    },
    canaries: [
      {
        alias: HOSTILE,
        target: HOSTILE,
        share: 0.1,
        state: 'stopped',
        stop: { reason: HOSTILE, time: HOSTILE },
        arms: { canary: { count: 1, failed: 1 }, stable: { count: 0, failed: 0 } },
      },
    ],
    budgets: [
      {
        budget: HOSTILE,
        subject: { [HOSTILE]: HOSTILE },
        period: 'day',
        limitNanoUsd: 10,
        spentNanoUsd: 20,
        warnAt: 0.8,
        endsAt: NOW,
      },
    ],
    latencies: [{ target: HOSTILE, kind: 'answer', currentMs: 10, usualMs: 1, ratio: 10, samples: 3 }],
    deprecations: [{ target: HOSTILE, model: HOSTILE, on: HOSTILE, daysLeft: 3, source: HOSTILE }],
  });
}

const TAGS = new Set(
  'html head meta title link script body a header span nav ul li div form button main p small h1 h2 section dl dt dd table caption thead tbody tr th td svg rect path line b code time pre ol label input select option datalist'.split(
    ' ',
  ),
);

function expectHarmless(text: string): void {
  expect(text).not.to.include('<script>').and.not.include('<img').and.not.include('\u202e').and.not.include('\u0000');
  for (const [, name = '', inside = ''] of text.replace('<!doctype html>', '').matchAll(/<\/?([^\s>/]*)([^>]*)>/g)) {
    expect([...TAGS, 'title'], name).to.include(name);
    expect(inside.replaceAll(/ [a-zA-Z0-9-]+(="[^"<>]*")?/g, '').replace('/', ''), `<${name}${inside}>`).to.equal('');
    const attributes = [...inside.matchAll(/ ([a-zA-Z0-9-]+)(?:="[^"]*")?/g)].map(([, attribute]) => attribute);
    expect(attributes.filter((attribute) => /^(on|style$|src$)/.test(attribute ?? '') && name !== 'script')).to.deep.equal(
      [],
    );
  }
  expect(text).to.include('&lt;script&gt;');
}

describe('the console’s pages', () => {
  it('show hostile names as what they are', async () => {
    const console = await startConsole(() => [hostileSnapshot()]);
    try {
      const told = attempt({
        target: HOSTILE,
        cluster: HOSTILE,
        model: HOSTILE,
        outcome: HOSTILE,
        credential: HOSTILE,
        provider_schema: HOSTILE,
      });
      const of = {
        tenant: HOSTILE,
        feature: HOSTILE,
        agent: HOSTILE,
        alias: HOSTILE,
        fault: HOSTILE,
        caller_key: HOSTILE,
        on_behalf_of: HOSTILE,
      };
      const more = {
        response_model: HOSTILE,
        provider_request_id: HOSTILE,
        dropped_fields: [HOSTILE],
        excluded: [{ target: HOSTILE, rule: HOSTILE }],
        policy_version: HOSTILE,
        time: new Date().toISOString(),
      };
      writeSegment(console.directory, 'filter', 1, [record(HOSTILE, { ...of, ...more, attempts: [told] })]);
      for (const path of [
        ...PAGES,
        `/console/requests/${encodeURIComponent(HOSTILE)}`,
        `/console/spend?tenant=${encodeURIComponent(HOSTILE)}`,
        `/console/audit?tenant=${encodeURIComponent(HOSTILE)}&since=${encodeURIComponent(HOSTILE)}`,
      ]) {
        const answer = await console.get(path, bearer(ANA));
        expect(answer.status, path).to.equal(path.includes('since=') ? 400 : 200);
        expectHarmless(await answer.text());
      }
      const missing = await console.get(`/console/requests/${encodeURIComponent(`no${HOSTILE}`)}`, bearer(ANA));
      expect(missing.status).to.equal(404);
      expectHarmless(await missing.text());
      const signedOut = await console.get(`/console/?x=${encodeURIComponent(HOSTILE)}`);
      expect(await signedOut.text()).not.to.include('<script>alert');
    } finally {
      await console.close();
    }
  });

  it('say what is not measured, and show it when it is: budgets, usual latency, ends of models', async () => {
    let now = snapshot();
    const console = await startConsole(() => [now]);
    const text = async (path: string): Promise<string> => (await console.get(path, bearer(ANA))).text();
    try {
      for (const path of ['/console/', '/console/spend', '/console/deprecations'])
        expect((await text(path)).toLowerCase(), path).to.include('not measured yet');
      now = snapshot({
        budgets: [
          {
            budget: 'alpha-day',
            subject: { tenant: 'alpha' },
            period: 'day',
            limitNanoUsd: 50e9,
            spentNanoUsd: 45e9,
            warnAt: 0.8,
            endsAt: NOW,
          },
          {
            budget: 'beta',
            subject: { tenant: 'beta' },
            period: 'month',
            limitNanoUsd: 1e9,
            spentNanoUsd: 2e9,
            warnAt: 0.8,
            endsAt: NOW,
          },
        ],
        latencies: [{ target: 'gpt', kind: 'stream', currentMs: 900, usualMs: 300, ratio: 3, samples: 40 }],
        deprecations: [{ target: 'gpt', model: 'gpt-5', on: '2026-12-09', daysLeft: 12, source: 'the provider' }],
      });
      // Workers are asked once a second, however many look.
      expect(await text('/console/')).to.include('not measured yet');
      await waitFor('the next look', undefined, async () => (await text('/console/')).includes('×3.0'));
      const first = await text('/console/');
      for (const words of ['×3.0', 'stream: 900 ms, usually 300 ms', '90 % of $50.00', 'ends on 2026-12-09'])
        expect(first).to.include(words);
      expect(first).not.to.include('not measured yet');
      expect(await text('/console/spend'))
        .to.include('$45.00')
        .and.include('200 %')
        .and.include('spent');
      expect(await text('/console/deprecations'))
        .to.include('12 days left')
        .and.include('fast');
    } finally {
      await console.close();
    }
  });

  it('have room for so many rows, also in groups, and say how many more there are', async () => {
    const spend = Array.from({ length: 1_200 }, (_, index) => ({
      ...{ tenant: `tenant-${index >> 1}`, feature: `f${index}`, requests: 1, inputTokens: 1, outputTokens: 1, nanoUsd: 1 },
      unpriced: 0,
    }));
    const { traffic } = snapshot();
    const moves = [3, 1].map((count) => ({
      ...{ tenant: 't', alias: 'fast', from: 'a', to: `b${count}`, reason: 'overloaded', count, lastAt: NOW },
    }));
    const console = await startConsole(() => [snapshot({ traffic: { ...traffic, spend, moves } })]);
    try {
      const page = await (await console.get('/console/spend', bearer(ANA))).text();
      expect(page.match(/<tr /g)?.length).to.be.below(480);
      expect(page).to.include('and 900 more').and.include('f299').and.not.include('f300<');
      // A share is one of all, not of the most.
      expect(await (await console.get('/console/moves', bearer(ANA))).text())
        .to.include('75 % of all moves')
        .and.include('25 % of all moves');
    } finally {
      await console.close();
    }
  });

  it('give what callers name no more room in the audit table than a column has', async () => {
    const console = await startConsole(() => [snapshot()]);
    try {
      const long = 'x'.repeat(128);
      writeSegment(console.directory, 'filter', 1, [record('1', { alias: long, agent: long, tenant: long, feature: long })]);
      const cells = (await (await console.get('/console/audit', bearer(ANA))).text()).match(/x{20,}…?/g);
      expect(cells).to.deep.equal(new Array(4).fill(`${'x'.repeat(47)}…`));
      expect(await (await console.get('/console/requests/1', bearer(ANA))).text()).to.include(long);
    } finally {
      await console.close();
    }
  });

  it('leave a line in the log for each sign-in and sign-out, each search and each request that is looked at', async () => {
    const console = await startConsole(() => [snapshot()]);
    try {
      writeSegment(console.directory, 'filter', 1, [record('1', { tenant: 'alpha' }), record('2', { tenant: 'beta' })]);
      const enter = (token: string) =>
        console.get('/console/sign-in', { method: 'POST', body: new URLSearchParams({ token }) });
      await enter('wrong-token-0123456789abcdef');
      const cookie = (await enter(ANA)).headers.get('set-cookie')?.split(';')[0] ?? '';
      const session = { headers: { cookie } };
      for (const path of PAGES) await console.get(path, session);
      await console.get('/console/audit?tenant=alpha&since=7d&nothing=x', session);
      await console.get('/console/audit?since=never', session);
      await console.get('/console/requests/2', session);
      await console.get(`/console/requests/${ANA}`, session);
      await console.get('/console/api/requests/1', bearer(BEN));
      await console.get('/console/api/audit', bearer(BEN));
      await console.get('/console/api/state', bearer('other-token-0123456789abcdef'));
      await console.get('/console/sign-out', { method: 'POST', ...session });
      await console.get('/console/sign-out', { method: 'POST', ...session });
      const told = console.lines.filter(({ name }) => name === 'console_access');
      const address = '127.0.0.1';
      const ana = { person: 'ana', address, by: 'session' };
      const ben = { person: 'ben', address, by: 'token' };
      expect(told.map(({ level, time, process, name, msg, ...rest }) => rest)).to.deep.equal([
        { event: 'sign_in_refused', address, by: 'session' },
        { event: 'sign_in', ...ana },
        { event: 'audit_search', ...ana, page: '/console/audit', filters: {}, results: 2 },
        { event: 'audit_search', ...ana, page: '/console/audit', filters: { tenant: 'alpha', since: '7d' }, results: 1 },
        { event: 'request_view', ...ana, page: '/console/requests/', requestId: '2', results: 1 },
        { event: 'request_view', ...ana, page: '/console/requests/', requestId: '[redacted token]', results: 0 },
        { event: 'request_view', ...ben, page: '/console/api/requests/', requestId: '1', results: 1 },
        { event: 'audit_search', ...ben, page: '/console/api/audit', filters: {}, results: 2 },
        { event: 'sign_in_refused', address, by: 'token' },
        { event: 'sign_out', ...ana },
      ]);
      expect(JSON.stringify(console.lines)).not.to.match(/-token-/);
      const metrics = await (await console.get('/metrics')).text();
      expect(metrics)
        .to.include('gateway_console_sign_ins_total{result="accepted"} 1\n')
        .and.include('gateway_console_sign_ins_total{result="refused"} 2\n')
        .and.include('gateway_console_sign_ins_total{result="too_many"} 0\n');
    } finally {
      await console.close();
    }
  });

  it('say when a key that is turned down is tested or used again, and where alone it is', async () => {
    const key = { fingerprint: '0a1b2c3d', refusals: 3, targets: [] };
    const keys = [
      { ...key, credential: 'one', condition: 'refused' as const, until: NOW + 40_000 },
      { ...key, credential: 'two', condition: 'cooling' as const, until: NOW + 8_000, targets: ['gpt'] },
      { ...key, credential: 'three', condition: 'refused' as const, until: NOW },
    ];
    const console = await startConsole(() => [snapshot({ keys })]);
    try {
      const text = (await (await console.get('/console/', bearer(ANA))).text()).replaceAll(/<[^>]*>/g, '|');
      for (const words of [
        ...[
          'refused by its provider; tested again in 40.0 s',
          'throttled by its provider at gpt alone; used again in 8.00 s',
        ],
        ...['refused by its provider; the next request tests it', '|tested again in 40.0 s|', '|at gpt alone|'],
      ])
        expect(text).to.include(words);
    } finally {
      await console.close();
    }
  });

  it('tell spend by day, of all tenants and of one, and that nothing was read yet of nothing', async () => {
    const console = await startConsole(() => [snapshot()]);
    try {
      const text = async (path: string): Promise<string> =>
        (await (await console.get(path, bearer(ANA))).text()).replaceAll(/<[^>]*>/g, '|').replaceAll(/[|\s]+/g, '|');
      expect(await text('/console/spend')).to.include('The|audit|log|has|no|record|of|the|last|14|days.');
      await console.restart();
      const daysAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString();
      writeSegment(console.directory, 'filter', 1, [
        record('1', { time: daysAgo(20), tenant: 'alpha', cost_nano_usd: 100e9 }),
        record('2', { time: daysAgo(3), tenant: 'alpha', cost_nano_usd: 2.5e9 }),
        record('3', { time: daysAgo(0), tenant: 'alpha', cost_nano_usd: 1e9 }),
        record('4', { time: daysAgo(0), tenant: 'beta', cost_nano_usd: 20 }),
        record('5', { time: daysAgo(0), tenant: 'gamma', cost_nano_usd: null }),
      ]);
      const all = await text('/console/spend');
      const today = daysAgo(0).slice(0, 10);
      expect(all)
        .to.match(/Together\|\$3.50\|for\|4\|requests\|in\|14\|days/)
        .and.match(/\|alpha\|Spend\|by\|day,[^$]*\$2.50\|\$1.00\|\$0.00\|\$3.50\|\$3.50\|/)
        .and.match(/\|beta\|[^$]*\$0.00000002\|/)
        .and.include('It|has|all|of|these|days.');
      const alpha = await text('/console/spend?tenant=alpha');
      expect(alpha)
        .to.match(/Of\|alpha\|alone/)
        .and.match(new RegExp(`${today}\\|\\w+,\\|so\\|far\\|\\$1.00`))
        .and.not.include('|beta|');
      const { rows } = (await (await console.get('/console/api/spend', bearer(ANA))).json()) as { rows: object[] };
      expect(rows).to.deep.include({
        day: today,
        tenant: 'alpha',
        requests: 1,
        priced: 1,
        unpriced: 0,
        nanoUsd: '1000000000',
      });
    } finally {
      await console.close();
    }
  });

  it('stay up when workers do not answer, and say so', async () => {
    let all: readonly WorkerSnapshot[] = [];
    const console = await startConsole(() => all, 2);
    try {
      const nobody = await console.get('/console/', bearer(ANA));
      expect(nobody.status).to.equal(503);
      expect(await nobody.text()).to.include('No process answers');
      all = [snapshot({ worker: 2, quotas: { limits: 'local', outages: 1, timeouts: 0 } })];
      await waitFor('the next look', undefined, async () => (await console.get('/console/', bearer(ANA))).status === 200);
      expect(await (await console.get('/console/', bearer(ANA))).text())
        .to.include('1 of 2 workers answer')
        .and.include('Redis is away');
    } finally {
      await console.close();
    }
  });

  it('read the audit log in pages, for people and programs', async () => {
    const console = await startConsole(() => [snapshot()]);
    try {
      const time = (index: number): string => new Date(NOW + index * 1_000).toISOString();
      writeSegment(
        console.directory,
        'filter',
        1,
        Array.from({ length: 120 }, (_, index) =>
          record(`req_${index}`, { time: time(index), tenant: index % 2 === 0 ? 'even' : 'odd' }),
        ),
      );
      const seen: string[] = [];
      let path: string | undefined = '/console/audit?tenant=even';
      while (path !== undefined) {
        const text: string = await (await console.get(path, bearer(ANA))).text();
        seen.push(...[...text.matchAll(/\/console\/requests\/(req_\d+)/g)].map(([, id]) => id ?? ''));
        path = /rel="next" href="([^"]+)"/.exec(text)?.[1]?.replaceAll('&amp;', '&');
      }
      expect(seen).to.deep.equal(Array.from({ length: 60 }, (_, index) => `req_${118 - index * 2}`));
      const page = (await (await console.get('/console/api/audit?request=req_7', bearer(ANA))).json()) as AuditPage;
      expect(page.records.map(({ request_id }) => request_id)).to.deep.equal(['req_7']);
      expect(await (await console.get('/console/api/requests/req_7', bearer(ANA))).json()).to.include({ tenant: 'odd' });
      expect((await console.get('/console/api/audit?since=yesterday', bearer(ANA))).status).to.equal(400);
      expect((await console.get('/console/api/audit?cursor=../../etc', bearer(ANA))).status).to.equal(400);
    } finally {
      await console.close();
    }
  });

  it('show records of another shape for what they have, and none takes the page away', async () => {
    const console = await startConsole(() => [snapshot()]);
    try {
      const { time } = record('r');
      const odd = [
        { request_id: 'bare', time, attempts: [] },
        {
          request_id: 'wrong',
          time,
          attempts: [null, 7, {}],
          duration_ms: null,
          usage: {},
          route_key: [],
          tenant: { a: 1 },
        },
        { request_id: 'texts', time, attempts: [], excluded: 'x', dropped_fields: 7, budgets: [null], cost_nano_usd: 'x' },
        { request_id: 'half-\ud800', time, attempts: [] },
        { ...record('later'), schema_version: 2, refused_by: {}, outcome: 'new_word', more: 1 },
      ];
      const huge = {
        ...record('huge'),
        response_model: 'm'.repeat(3_000_000),
        dropped_fields: new Array(5_000).fill('d'),
      };
      const unreadable = [
        { request_id: 'never', time: 'then', attempts: [] },
        { request_id: 7, time, attempts: [] },
        [],
        null,
      ];
      const path = writeSegment(console.directory, 'filter', 1, [record('good')]);
      appendFileSync(path, [...odd, huge, ...unreadable].map((one) => `${JSON.stringify(one)}\n`).join(''));
      const found = await console.get('/console/audit', bearer(ANA));
      const text = await found.text();
      expect(found.status, text).to.equal(200);
      for (const id of ['good', 'bare', 'wrong', 'texts', 'later']) {
        expect(text).to.include(`/console/requests/${id}?`);
        expect((await console.get(`/console/requests/${id}`, bearer(ANA))).status, id).to.equal(200);
      }
      expect(text).to.include('4 lines cannot be read');
      expect((await (await console.get('/console/requests/huge', bearer(ANA))).text()).length).to.be.below(100_000);
    } finally {
      await console.close();
    }
  });

  it('give up a search when whoever asked has left', async () => {
    const console = await startConsole(() => [snapshot()]);
    try {
      // Long to read for who looks for a name, and short for who looks for what is new.
      const path = writeSegment(console.directory, 'filter', 1, [record('req_1')]);
      const old = '{"request_id":"r","time":"2020-01-01T00:00:00.000Z","attempts":[]}\n'.repeat(100_000);
      for (let count = 0; count < 10; count++) appendFileSync(path, old);
      const took = async (query: string): Promise<number> => {
        const began = performance.now();
        expect((await console.get(`/console/api/audit?${query}`, bearer(ANA))).status).to.equal(200);
        return performance.now() - began;
      };
      const long = await took('request=none');
      const leaving = Array.from({ length: 14 }, () => {
        const asked = httpRequest(`${console.url}/console/api/audit?request=none`, bearer(ANA));
        asked.on('error', () => undefined);
        asked.end();
        return asked;
      });
      await sleep(30);
      for (const asked of leaving) asked.destroy();
      // Two run at once: if those that were left went on, this one waited for seven rounds.
      expect(await took('since=15m')).to.be.below(long * 3);
    } finally {
      await console.close();
    }
  });
});
