import { expect } from 'chai';
import { AggregatorRegistry, Counter, Histogram, Registry } from 'prom-client';
import { tallyCounter, tallyHistogram } from '../../../filter/observability/tally.ts';

const BUCKETS = [0.1, 1, 10];
const VALUES = [0, 0.1, 0.10001, 0.5, 1, 3, 10, 11, 1e6];
const OURS = { name: 'h', help: 'Help.', labelNames: ['target', 'result'], buckets: BUCKETS } as const;
const LABELS = [
  { target: 'a', result: 'ok' },
  { target: 'a', result: 'failed' },
  { target: 'b "quoted" \\ and\nlines', result: 'ok' },
] as const;

describe('tallied metrics', () => {
  it("tell a histogram in both of prom-client's forms as its own do", async () => {
    const [ours, theirs] = [new Registry(), new Registry()];
    const tallied = tallyHistogram(ours, OURS);
    const plain = new Histogram({
      ...{ name: 'h', help: 'Help.', registers: [theirs] },
      ...{ labelNames: ['target', 'result'], buckets: [...BUCKETS] },
    });
    VALUES.forEach((value, index) => {
      const labels = LABELS[index % LABELS.length] ?? LABELS[0];
      tallied(labels).observe(value);
      plain.observe(labels, value);
    });
    expect(await ours.metrics()).to.equal(await theirs.metrics());
    const told = JSON.stringify(await theirs.getMetricsAsJSON()).replaceAll(',"exemplar":null', '');
    expect(await ours.getMetricsAsJSON()).to.deep.equal(JSON.parse(told));
  });

  it("add up over processes as prom-client's own do", async () => {
    const registries = [new Registry(), new Registry()];
    for (const registry of registries) tallyHistogram(registry, OURS)(LABELS[0]).observe(0.5);
    const told = await Promise.all(registries.map((registry) => registry.getMetricsAsJSON()));
    const whole = await AggregatorRegistry.aggregate(told.map((metrics) => JSON.parse(JSON.stringify(metrics)))).metrics();
    expect(whole).to.include('h_count{target="a",result="ok"} 2');
    expect(whole).to.include('h_bucket{le="1",target="a",result="ok"} 2');
    expect(whole).to.include('h_bucket{le="0.1",target="a",result="ok"} 0');
  });

  it('have no series before something happens, and one each whoever asks for it', async () => {
    const registry = new Registry();
    const histogram = tallyHistogram(registry, OURS);
    const counter = tallyCounter(registry, { name: 'c', help: 'Help.', labelNames: ['target'] });
    histogram(LABELS[0]);
    counter({ target: 'a' });
    expect(await registry.metrics()).not.to.include('target=');
    counter({ target: 'a' }).value += 2;
    counter({ target: 'a' }).value += 3;
    expect(await registry.metrics()).to.include('c{target="a"} 5');
  });

  it('tell a counter as prom-client does, in the unit that is asked for', async () => {
    const [ours, theirs] = [new Registry(), new Registry()];
    const cost = tallyCounter(ours, { name: 'c', help: 'Help.', labelNames: ['target'], unit: 1e9 });
    cost({ target: 'a' }).value += 1_500_000_001;
    new Counter({ name: 'c', help: 'Help.', labelNames: ['target'], registers: [theirs] }).inc({ target: 'a' }, 1.500000001);
    expect(await ours.metrics()).to.equal(await theirs.metrics());
  });
});
