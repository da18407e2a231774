/** docs/metrics.md, made of a scrape in which everything occurs. Run it to write the file anew. */
import { writeFileSync } from 'node:fs';
import { catalogueOf, fullScrape } from './full-scrape.ts';

/** Added by Prometheus, or part of a histogram. */
const NO_LABELS: ReadonlySet<string> = new Set(['instance', 'job', 'le']);

export async function render(): Promise<string> {
  const scraped = await fullScrape();
  const catalogue = catalogueOf(scraped);
  const types = new Map([...scraped.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name = '', type = '']) => [name, type]));
  const helps = new Map([...scraped.matchAll(/^# HELP (\w+) (.*)$/gm)].map(([, name = '', help = '']) => [name, help]));
  const row = (name: string): string => {
    const labels = catalogue.get(name) ?? catalogue.get(`${name}_count`) ?? new Map();
    const own = [...labels.keys()].filter((label) => !NO_LABELS.has(label)).map((label) => `\`${label}\``);
    return `| \`${name}\` | ${types.get(name)} | ${own.join(', ')} | ${helps.get(name)?.replaceAll('|', '\\|')} |`;
  };
  const ours = [...types.keys()].filter((name) => /^(gateway|gen_ai)_/.test(name)).sort();
  return `# Metrics

What \`/metrics\` of the admin port tells, made of a scrape (\`node test/unit/observability/metrics-table.ts\`). Beside these are Node's own: \`process_…\` and \`nodejs_…\`, the lag of the event
loop among them.

Labels hold names of the policy and words of closed sets, and \`feature\` the first 50 of a tenant: there are no more series than the policy has names. Names that begin with \`gen_ai_\`,
and their labels but \`target\`, are those of OpenTelemetry's semantic conventions; time to the first token is told by the first byte, and what
lies between tokens by the tokens that the provider counts. With several workers sums are of all of them, states and shares of budgets the worst, and latencies, their baselines and
ratios the average of those workers that know them.

| name | type | labels | what it is |
| --- | --- | --- | --- |
${ours.map(row).join('\n')}
`;
}

if (import.meta.main) writeFileSync(new URL('../../../docs/metrics.md', import.meta.url), await render());
