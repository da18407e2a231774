/** What the console counts, and how several processes become one view. */
import { expect } from 'chai';
import { DurationCounts, quantileOf } from '../../../filter/admin/console/durations.ts';
import { merged } from '../../../filter/admin/console/merge.ts';
import { OTHERS, RecentWindow, type RecentWindowOptions } from '../../../filter/admin/console/recent-window.ts';
import type { KeyState, Move } from '../../../filter/admin/console/snapshot.ts';
import type { BudgetState } from '../../../filter/quota/quota-store.ts';
import { attempt, record } from '../observability/observed.ts';
import { NOW, snapshot } from './console-fixture.ts';

const MINUTE_MS = 60_000;

function windowAt(changes: Partial<RecentWindowOptions> = {}) {
  const clock = { now: NOW };
  const window = new RecentWindow({ now: () => clock.now, isAlias: () => true, passedOver: () => undefined, ...changes });
  return { clock, window };
}

const told = (moves: readonly Move[]): string[] =>
  moves.map(({ tenant, alias, from, to, reason, count }) => `${tenant} ${alias} ${from}>${to ?? '-'} ${reason} ${count}`);

describe('the recent window', () => {
  it('counts attempts by outcome, with times of those that answered alone, and forgets after a quarter of an hour', () => {
    const { clock, window } = windowAt();
    const failed = attempt({ target: 'a', outcome: 'overloaded', status: 529, duration_ms: 4_000, first_byte_ms: null });
    const good = attempt({ number: 2, target: 'b', duration_ms: 100, first_byte_ms: 120 });
    for (let count = 0; count < 10; count++) window.observe(record(`req_${count}`, { attempts: [failed, good] }));
    clock.now += 2 * MINUTE_MS;
    window.observe(record('req_last', { attempts: [good], outcome: 'cut' }));
    const five = window.snapshot(5 * MINUTE_MS);
    expect(five.outcomes).to.deep.equal({ ok: 10, cut: 1 });
    const [a, b] = five.targets;
    expect(a).to.deep.include({ target: 'a', outcomes: { overloaded: 10 }, answer: [], firstByte: [] });
    expect(a?.lastFailure).to.deep.equal({ at: NOW, outcome: 'overloaded', status: 529, requestId: 'req_9' });
    expect(b?.outcomes).to.deep.equal({ ok: 10, broke_off: 1 });
    expect(quantileOf(b?.answer ?? [], 0.5)).to.be.within(85, 115);
    expect(quantileOf(b?.firstByte ?? [], 0.5)).to.be.within(100, 140);
    expect(five.beats.map(({ targets }) => targets['a']?.[1] ?? 0)).to.deep.equal([10, 0]);
    expect(window.snapshot(MINUTE_MS).outcomes).to.deep.equal({ cut: 1 });
    clock.now += 14 * MINUTE_MS;
    expect(window.snapshot(15 * MINUTE_MS).outcomes).to.deep.equal({ cut: 1 });
    clock.now += 2 * MINUTE_MS;
    expect(window.snapshot(15 * MINUTE_MS)).to.deep.include({ outcomes: {}, targets: [], moves: [] });
  });

  it('tells moves: after a failed attempt, past a sick target that was not asked, past an unreachable cluster, and to nobody', () => {
    const { window } = windowAt({
      passedOver: (alias) => (alias === 'sick' ? { target: 'a', reason: 'not_asked_down' } : undefined),
    });
    const failed = attempt({ target: 'a', outcome: 'overloaded' });
    const b = attempt({ number: 2, target: 'b' });
    window.observe(record('1', { attempts: [failed, b] }));
    window.observe(
      record('2', { attempts: [failed, { ...failed, number: 2, outcome: 'server_error' }, { ...b, number: 3 }] }),
    );
    window.observe(record('3', { alias: 'sick', attempts: [{ ...b, number: 1 }] }));
    window.observe(record('4', { alias: 'sick', attempts: [attempt({ target: 'a' })] }));
    window.observe(record('5', { attempts: [b], excluded: [{ target: 'a', rule: 'circuit_open' }] }));
    window.observe(record('6', { attempts: [failed], outcome: 'failed' }));
    window.observe(record('7', { attempts: [attempt({ number: 0, target: 'a', outcome: 'not_translatable' }), b] }));
    window.observe(record('8', { attempts: [attempt({ target: 'a' })] }));
    window.observe(
      record('9', { attempts: [attempt({ target: 'a', outcome: 'request_refused' })], outcome: 'caller_error' }),
    );
    expect(told(window.snapshot(MINUTE_MS).moves)).to.have.members([
      't fast a>b overloaded 1',
      't fast a>b server_error 1',
      't sick a>b not_asked_down 1',
      't fast a>b circuit_open 1',
      't fast a>- overloaded 1',
      't fast a>b not_translatable 1',
    ]);
  });

  it('stays small whatever comes: names beyond its bounds are counted under one', () => {
    const { window } = windowAt();
    for (let index = 0; index < 3_000; index++) {
      const attempts = [attempt({ target: `a${index}`, outcome: 'overloaded' }), attempt({ number: 2, target: 'b' })];
      window.observe(record(`${index}`, { tenant: `t${index}`, attempts, cost_nano_usd: 1 }));
    }
    const { targets, moves, spend } = window.snapshot(MINUTE_MS);
    expect(targets.length).to.be.at.most(202);
    expect(targets.find(({ target }) => target === OTHERS)?.outcomes['overloaded']).to.be.greaterThan(2_000);
    expect(moves.length).to.be.at.most(301);
    expect(moves.reduce((sum, { count }) => sum + count, 0)).to.equal(3_000);
    expect(spend.length).to.equal(1_001);
    expect(spend.reduce((sum, { nanoUsd }) => sum + nanoUsd, 0)).to.equal(3_000);
  });

  it('tells nothing of a time that has not come, when the clock was set back, nor longer ago than it counts', () => {
    const { clock, window } = windowAt();
    clock.now = NOW + 55_000;
    window.observe(record('1', { attempts: [attempt()] }));
    // Of a minute it has the slot that is running and five before it.
    expect(window.snapshot(MINUTE_MS)).to.deep.include({ from: NOW, outcomes: { ok: 1 } });
    clock.now = NOW + 5 * MINUTE_MS + 9_000;
    expect(window.snapshot(MINUTE_MS).from).to.equal(NOW + 4 * MINUTE_MS + 10_000);
    clock.now = NOW - 10 * MINUTE_MS;
    expect(window.snapshot(15 * MINUTE_MS)).to.deep.include({ from: clock.now, outcomes: {}, beats: [] });
  });

  it('tells a thousand moves at most, with the others as one', () => {
    const { clock, window } = windowAt();
    for (let index = 0; index < 1_500; index++) {
      if (index % 100 === 0) clock.now += 10_000;
      const attempts = [attempt({ target: 'a', outcome: 'overloaded' }), attempt({ number: 2, target: 'b' })];
      window.observe(record(`${index}`, { tenant: `t${index}`, attempts }));
    }
    const { moves } = window.snapshot(15 * MINUTE_MS);
    expect([moves.length, moves.reduce((sum, { count }) => sum + count, 0)]).to.deep.equal([1_001, 1_500]);
    expect(moves.at(-1)).to.deep.include({ tenant: OTHERS, count: 500, lastAt: clock.now });
  });

  it('costs little for a record', () => {
    const { window } = windowAt();
    const one = record('1', {
      attempts: [attempt({ target: 'a', outcome: 'overloaded' }), attempt({ number: 2, target: 'b' })],
      cost_nano_usd: 5,
    });
    for (let count = 0; count < 20_000; count++) window.observe(one);
    const began = performance.now();
    for (let count = 0; count < 20_000; count++) window.observe(one);
    expect((performance.now() - began) / 20_000).to.be.below(0.05);
  });
});

describe('durations', () => {
  it('are within 10 % at any quantile, and the same when added up', () => {
    const [one, other] = [new DurationCounts(), new DurationCounts()];
    for (let ms = 1; ms <= 1_000; ms++) (ms % 2 === 0 ? one : other).note(ms);
    const both = new DurationCounts();
    both.add(one.toJSON());
    both.add(other.toJSON());
    for (const share of [0.1, 0.5, 0.95]) expect(quantileOf(both.toJSON(), share)).to.be.within(share * 900, share * 1_100);
    expect(quantileOf([], 0.5)).to.equal(undefined);
  });
});

describe('several workers', () => {
  it('are one view: sums summed, the worst of each state, refused edits and silent workers told', () => {
    const one = snapshot();
    const [target] = one.targets;
    const [key] = one.keys;
    if (target === undefined || key === undefined) throw new Error('no fixture');
    const other = snapshot({
      worker: 2,
      targets: [{ ...target, health: 'down', until: NOW + 5_000, headroom: [{ kind: 'requests', room: 0.2 }], waiting: 2 }],
      keys: [{ ...key, condition: 'refused', refusals: 4 }],
      policy: { ...one.policy, edit: 'refused', problems: ['policy.yaml:3: no'] },
      quotas: { limits: 'local', outages: 1, timeouts: 2 },
      audit: { state: 'failing', queuedBytes: 10, dropped: 1 },
    });
    const first = snapshot({ worker: 1, targets: [{ ...target, headroom: [{ kind: 'requests', room: 0.6 }] }] });
    const state = merged([first, other], 3);
    expect(state?.workers.map(({ worker }) => worker)).to.deep.equal([1, 2]);
    expect(state?.expected).to.equal(3);
    expect(state?.traffic.outcomes).to.deep.equal({ ok: 196, failed: 4 });
    expect(state?.traffic.targets).to.deep.equal([
      { ...one.traffic.targets[0], outcomes: { ok: 180, overloaded: 20 }, answer: [[40, 180]] },
    ]);
    expect(state?.targets).to.have.length(1);
    expect(state?.targets[0]).to.deep.include({ health: 'down', until: NOW + 5_000, waiting: 2 });
    expect(state?.targets[0]?.headroom[0]?.room).to.be.closeTo(0.4, 1e-9);
    expect(state?.keys[0]).to.deep.include({ condition: 'refused', refusals: 4 });
    expect(state?.policy.problems).to.deep.equal(['policy.yaml:3: no']);
    expect(state?.quotas).to.deep.equal({ limits: 'local', outages: 1, timeouts: 2 });
    expect(state?.audit).to.deep.equal({ state: 'failing', queuedBytes: 10, dropped: 1 });
    expect(merged([], 2)).to.equal(undefined);
  });

  it('tell the worst of a key, and its first test of any process', () => {
    const [key] = snapshot().keys;
    if (key === undefined) throw new Error('no fixture');
    const of = (...keys: Partial<KeyState>[]) =>
      merged(
        keys.map((one) => snapshot({ keys: [{ ...key, ...one }] })),
        keys.length,
      )?.keys[0];
    const late = { condition: 'refused', until: NOW + 9_000, targets: ['a'], refusals: 1 } as const;
    const soon = { condition: 'refused', until: NOW + 2_000, targets: ['b'], refusals: 2 } as const;
    const cooling = { condition: 'cooling', until: NOW + 1_000, targets: [] } as const;
    expect(of(cooling, late, soon)).to.deep.include({ ...late, until: NOW + 2_000, targets: ['a', 'b'], refusals: 3 });
    expect(of(late, { ...soon, targets: [] })?.targets).to.deep.equal([]);
    expect(of({}, cooling)).to.deep.include({ condition: 'cooling', until: NOW + 1_000 });
  });

  it('share budgets over Redis, and have a part each without it', () => {
    const budget = (spentNanoUsd: number): BudgetState => ({
      ...{ budget: 'b', subject: { tenant: 't' }, period: 'day', limitNanoUsd: 50, spentNanoUsd, warnAt: 0.8, endsAt: NOW },
    });
    const quotas = { limits: 'shared' as const, outages: 0, timeouts: 0 };
    const shared = merged([snapshot({ quotas, budgets: [budget(10)] }), snapshot({ quotas, budgets: [budget(12)] })], 2);
    expect(shared?.budgets).to.deep.equal([budget(12)]);
    const own = merged([snapshot({ budgets: [budget(10)] }), snapshot({ budgets: [budget(12)] })], 2);
    expect(own?.budgets).to.deep.equal([{ ...budget(22), limitNanoUsd: 100 }]);
    expect(merged([snapshot()], 1)?.budgets).to.equal(undefined);
  });

  it('compare latencies by their samples', () => {
    const of = (currentMs: number, samples: number) => ({
      target: 'gpt',
      kind: 'answer' as const,
      currentMs,
      usualMs: 100,
      ratio: currentMs / 100,
      samples,
    });
    const state = merged([snapshot({ latencies: [of(100, 10)] }), snapshot({ latencies: [of(300, 30)] })], 2);
    expect(state?.latencies).to.deep.equal([
      { target: 'gpt', kind: 'answer', currentMs: 250, usualMs: 100, ratio: 2.5, samples: 40 },
    ]);
  });
});
