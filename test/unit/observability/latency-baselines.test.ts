import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { openBaselines } from '../../../filter/observability/latency-baseline-file.ts';
import { LatencyBaselines, type LatencyComparison } from '../../../filter/observability/latency-baselines.ts';
import { registerLatencyMetrics } from '../../../filter/observability/latency-metrics.ts';
import { addTo, medianOf, newSketch } from '../../../filter/observability/latency-sketch.ts';
import { attempt, record } from './observed.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;
/** A Monday, midnight. */
const START = Date.UTC(2026, 10, 23);
const silent = pino({ level: 'silent' });

/** A target that answers four requests a minute. */
class World {
  now = START;
  baselines: LatencyBaselines = new LatencyBaselines(() => this.now);

  ask(ms: number, target = 'gpt', model = 'm'): void {
    const first_byte_ms = ms;
    this.baselines.observe(record('r', { stream: true, attempts: [attempt({ target, model, first_byte_ms })] }));
  }

  /** @param of milliseconds that a request takes that is sent then */
  run(until: number, of: (at: number) => number): void {
    for (; this.now < until; this.now += MINUTE / 4) this.ask(of(this.now));
  }

  of(target = 'gpt'): LatencyComparison | undefined {
    return this.baselines.comparisons().find((one) => one.target === target && one.kind === 'stream');
  }
}

/** Slow by day and fast by night. */
const daily = (at: number): number => (new Date(at).getUTCHours() >= 8 && new Date(at).getUTCHours() < 20 ? 800 : 300);

describe('latency baselines', () => {
  it('medians of sketches are off by 10 % at most', () =>
    fc.assert(
      fc.property(fc.array(fc.double({ min: 1, max: 500_000, noNaN: true }), { minLength: 1 }), (samples) => {
        const [one, other] = [newSketch(), newSketch()];
        for (const [index, ms] of samples.entries()) addTo(index % 2 === 0 ? one : other, ms);
        const sorted = [...samples].sort((a, b) => a - b);
        const [low, high] = [sorted[Math.floor((samples.length - 1) / 2)] ?? 0, sorted[Math.floor(samples.length / 2)] ?? 0];
        expect(medianOf(one, other)).to.be.within(low / 1.101, high * 1.101);
      }),
    ));

  it('say nothing of a new target, and compare with the day before from the second day on', () => {
    const world = new World();
    world.run(START + 10 * HOUR, daily);
    expect(world.of()).to.deep.include({ usualMs: undefined, ratio: undefined });
    world.run(START + DAY + 10 * HOUR, daily);
    expect(world.of()?.usualMs).to.be.within(760, 840);
    expect(world.of()?.ratio).to.be.within(0.9, 1.1);
  });

  it('know hours of the week: what is usual by day is slow by night', () => {
    const world = new World();
    world.run(START + 3 * WEEK + 3 * HOUR, daily);
    expect(world.of()?.usualMs).to.be.within(285, 315);
    world.run(world.now + 10 * MINUTE, () => 800);
    expect(world.of()?.ratio).to.be.within(2.4, 2.9);
  });

  it('an outage of an evening shows all evening, and is no habit afterwards', () => {
    const world = new World();
    world.run(START + 3 * WEEK + 18 * HOUR, () => 400);
    for (let hour = 18; hour < 24; hour++) {
      world.run(START + 3 * WEEK + (hour + 1) * HOUR, () => 4000);
      expect(world.of()?.ratio, `at ${hour}`).to.be.within(9, 11);
    }
    world.run(START + 4 * WEEK + 19 * HOUR, () => 400);
    // Ten times as slow moved it by a quarter of "half as slow again".
    expect(world.of()?.usualMs).to.be.within(400, 460);
  });

  it('of a target that is two days old an outage shows as well', () => {
    const world = new World();
    world.run(START + 2 * DAY + 14 * HOUR, () => 400);
    world.run(START + 3 * DAY, () => 4000);
    expect(world.of()?.ratio).to.be.within(9, 11);
  });

  it('what is slower for good is usual after some weeks', () => {
    const world = new World();
    world.run(START + 3 * WEEK, () => 400);
    world.run(START + 9 * WEEK, () => 900);
    expect(world.of()?.ratio).to.be.below(1.5);
  });

  it('a clock that was far ahead for a moment is not waited for, one that is corrected by minutes loses nothing', () => {
    const world = new World();
    world.run(START + 3 * WEEK + 12 * HOUR, () => 400);
    for (const ahead of [3 * HOUR, 20 * DAY]) {
      const { now } = world;
      world.now = now + ahead;
      world.ask(400);
      world.now = now;
      world.run(now + 40 * MINUTE, () => 4000);
      expect(world.of()?.ratio, `${ahead} ms`).to.be.within(9, 11);
      world.run(now + 50 * MINUTE, () => 400);
      expect(world.of()?.ratio, `${ahead} ms`).to.be.within(0.9, 1.1);
    }
    const samples = world.of()?.samples;
    world.now -= 4 * MINUTE;
    expect(world.of()?.samples).to.equal(samples);
  });

  it('a look while the clock is five weeks ahead takes nothing of what is known; beyond a thousand targets the place is given on', () => {
    const world = new World();
    world.run(START + 2 * DAY, () => 400);
    const { now } = world;
    world.now += 40 * DAY;
    expect(world.of()).to.equal(undefined);
    expect(world.baselines.states()).to.deep.equal([]);
    world.now = now;
    expect(world.of()?.usualMs).to.be.within(380, 420);
    for (let count = 1; count < 1_000; count++) world.ask(400, `t${count}`);
    world.ask(400, 'one too many');
    expect(world.of('one too many')).to.equal(undefined);
    world.now += 40 * DAY;
    world.ask(400, 'another');
    expect(world.of('another')?.samples).to.equal(1);
  });

  it('few requests say nothing of now, and old ones are not now', () => {
    const world = new World();
    world.run(START + 2 * DAY, () => 400);
    world.now += 20 * MINUTE;
    expect(world.of()).to.deep.include({ currentMs: undefined, samples: 0 });
    for (let count = 0; count < 19; count++) world.ask(400);
    expect(world.of()?.currentMs).to.equal(undefined);
    world.ask(400);
    expect(world.of()?.currentMs).to.be.within(380, 420);
  });

  it('another model under the same name begins anew; a target that nobody asks is forgotten after five weeks', () => {
    const world = new World();
    world.run(START + 2 * DAY, () => 400);
    world.ask(400, 'gpt', 'm-2');
    expect(world.of()).to.deep.include({ usualMs: undefined, samples: 1 });
    world.now += 34 * DAY;
    expect(world.of()).to.not.equal(undefined);
    world.now += 2 * DAY;
    expect(world.of()).to.equal(undefined);
  });

  it('failed attempts are no measure, and whole answers are another kind', () => {
    const world = new World();
    world.baselines.observe(record('r', { attempts: [attempt({ outcome: 'overloaded' })] }));
    world.baselines.observe(record('r', { attempts: [attempt({ duration_ms: 5 })] }));
    expect(world.baselines.comparisons()).to.have.length(1);
    expect(world.baselines.comparisons()[0]).to.deep.include({ kind: 'answer', samples: 1 });
  });

  it('are no labels unless the target is in the policy, and absent where they are not known', async () => {
    const world = new World();
    world.run(START + 2 * DAY, () => 400);
    world.ask(1, 'gone');
    const registry = new Registry();
    registerLatencyMetrics(
      registry,
      () => world.baselines.comparisons(),
      (name) => name === 'gpt',
    );
    const text = await registry.metrics();
    expect(text).to.not.include('gone');
    expect(text).to.match(/gateway_target_latency_baseline_seconds\{target="gpt",kind="stream"\} 0\.[34]/);
    expect(text).to.match(/gateway_target_latency_ratio\{target="gpt",kind="stream"\} (1|0\.99|1\.0)/);
    world.now += HOUR;
    expect(await registry.metrics()).to.not.include('gateway_target_latency_ratio{');
  });
});

describe('the file of latency baselines', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'baselines-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const filled = async (name: string): Promise<void> => {
    const world = new World();
    const kept = await openBaselines({ directory, name, log: silent, now: () => world.now });
    world.baselines = kept.baselines;
    world.run(START + 3 * DAY, () => 400);
    await kept.close();
  };
  const usual = async (name: string): Promise<number | undefined> => {
    const now = (): number => START + 3 * DAY + HOUR;
    const kept = await openBaselines({ directory, name, log: silent, now });
    await kept.close();
    return kept.baselines.comparisons()[0]?.usualMs;
  };

  it('outlives its process, and a process without one begins with what another knows', async () => {
    await filled('-1');
    expect(await usual('-1')).to.be.within(380, 420);
    expect(await usual('-2')).to.be.within(380, 420);
    expect(readdirSync(directory)).to.have.members(['latency-baselines-1.json', 'latency-baselines-2.json']);
  });

  it('is put aside when it is broken or not ours', async () => {
    const path = join(directory, 'latency-baselines.json');
    const bad = [
      '{"version":1,"basel',
      '[]',
      '{"version":2,"baselines":[]}',
      '{"version":1,"baselines":[{"target":"a","kind":"stream","cluster":"c","model":"m","seen":1,"cells":[[0,-1,1,1]]}]}',
      '{"version":1,"baselines":[{"target":"a","kind":"stream","cluster":"c","model":"m","seen":1,"cells":[[168,1,1,1]]}]}',
    ];
    for (const text of bad) {
      const lines: string[] = [];
      const log = pino({}, { write: (line: string) => void lines.push(line) });
      writeFileSync(path, text);
      const kept = await openBaselines({ directory, name: '', log, now: Date.now });
      expect(readFileSync(`${path}.damaged`, 'utf8')).to.equal(text);
      expect(lines.join(), text).to.include('cannot be read and is put aside');
      expect(kept.baselines.comparisons()).to.deep.equal([]);
      await kept.close();
      expect(readFileSync(path, 'utf8')).to.equal('{"version":1,"baselines":[]}');
    }
  });

  it('tells once that it cannot be written', async () => {
    const lines: string[] = [];
    const log = pino({}, { write: (line: string) => void lines.push(line) });
    writeFileSync(join(directory, 'file'), '');
    const kept = await openBaselines({ directory: join(directory, 'file'), name: '', log, now: Date.now });
    await kept.close();
    await kept.close();
    expect(lines).to.have.length(1);
  });
});
