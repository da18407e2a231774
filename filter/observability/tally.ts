/**
 * Counters and histograms that requests add to in nanoseconds. prom-client checks and hashes labels at every addition, for about a microsecond
 * each; a request has twenty of them. Here a series is found once, is plain numbers, and becomes prom-client's when somebody scrapes.
 */
import { Counter, Histogram, type Registry } from 'prom-client';

export interface CounterOptions<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
  /** What the counter's unit is in its sums: 1e9 where sums are whole nano-dollars and it tells dollars. Absent: 1. */
  readonly unit?: number;
}

export interface HistogramOptions<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
  /** Upper bounds, rising. */
  readonly buckets: readonly number[];
}

type Labels<Label extends string> = Readonly<Record<Label, string>>;

/** One series of a counter; it is told as soon as it is above 0. */
export interface Sum {
  value: number;
}

/** @returns the series of these labels, the same each time; on the request path it is kept (series.ts) */
export function tallyCounter<Label extends string>(
  registry: Registry,
  { name, help, labelNames, unit = 1 }: CounterOptions<Label>,
): (labels: Labels<Label>) => Sum {
  const series = new SeriesMap<Label, Sum>(labelNames, () => ({ value: 0 }));
  new Counter({
    ...{ name, help, registers: [registry] },
    labelNames: [...labelNames],
    collect() {
      this.reset();
      for (const { labels, of } of series.all()) if (of.value > 0) this.inc({ ...labels }, of.value / unit);
    },
  });
  return (labels) => series.get(labels);
}

/** @returns the series of these labels, the same each time; on the request path it is kept (series.ts) */
export function tallyHistogram<Label extends string>(
  registry: Registry,
  options: HistogramOptions<Label>,
): (labels: Labels<Label>) => Distribution {
  const { labelNames, buckets } = options;
  const series = new SeriesMap<Label, Distribution>(labelNames, () => new Distribution(buckets));
  new TalliedHistogram(registry, options, series);
  return (labels) => series.get(labels);
}

/** One series of a histogram; it is told as soon as something was observed. */
export class Distribution {
  readonly #bounds: readonly number[];
  /** What fell into each bucket alone; the last is what is above all bounds. */
  readonly #counts: number[];
  #count = 0;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  get count(): number {
    return this.#count;
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#sum += value;
  }

  /** As Prometheus has it: a bucket counts all that is not above its bound. */
  values(name: string, sharedLabels: Labels<string>): HistogramValue[] {
    let count = 0;
    const buckets = this.#counts.map((more, index) => {
      count += more;
      return { labels: { le: this.#bounds[index] ?? '+Inf' }, sharedLabels, value: count, metricName: `${name}_bucket` };
    });
    const sum = { labels: {}, sharedLabels, value: this.#sum, metricName: `${name}_sum` };
    return [...buckets, sum, { labels: {}, sharedLabels, value: count, metricName: `${name}_count` }];
  }
}

interface HistogramValue {
  readonly labels: { readonly le?: number | string };
  readonly sharedLabels: Labels<string>;
  readonly value: number;
  readonly metricName: string;
}

class TalliedHistogram<Label extends string> extends Histogram {
  readonly #options: HistogramOptions<Label>;
  readonly #series: SeriesMap<Label, Distribution>;

  constructor(registry: Registry, options: HistogramOptions<Label>, series: SeriesMap<Label, Distribution>) {
    const { name, help, labelNames, buckets } = options;
    super({ name, help, labelNames: [...labelNames], buckets: [...buckets], registers: [registry] });
    this.#options = options;
    this.#series = series;
  }

  /** What prom-client's histograms have for both of their forms, text and JSON; its types do not tell of it, a test does. */
  async getForPromString(): Promise<Readonly<Record<string, unknown>>> {
    const { name, help } = this.#options;
    const told = this.#series.all().filter(({ of }) => of.count > 0);
    const values = told.flatMap(({ labels, of }) => of.values(name, labels));
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  }
}

/** As bounded as the labels' values are. */
class SeriesMap<Label extends string, Series> {
  readonly #labelNames: readonly Label[];
  readonly #make: () => Series;
  readonly #byLabels = new Map<string, { readonly labels: Labels<Label>; readonly of: Series }>();

  constructor(labelNames: readonly Label[], make: () => Series) {
    this.#labelNames = labelNames;
    this.#make = make;
  }

  get(labels: Labels<Label>): Series {
    const key = this.#labelNames.map((name) => labels[name]).join('\n');
    const known = this.#byLabels.get(key);
    if (known !== undefined) return known.of;
    const of = this.#make();
    this.#byLabels.set(key, { labels, of });
    return of;
  }

  all(): { readonly labels: Labels<Label>; readonly of: Series }[] {
    return [...this.#byLabels.values()];
  }
}
