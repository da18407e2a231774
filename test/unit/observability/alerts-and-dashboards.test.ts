import { globSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parse } from 'yaml';
import { catalogueOf, fullScrape } from './full-scrape.ts';
import { render } from './metrics-table.ts';
import { type Catalogue, readPromql } from './promql.ts';

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}
interface Dashboard {
  readonly uid: string;
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string }[] };
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
  }[];
}

const { groups } = parse(readFileSync('charts/alerts/model-gateway.yaml', 'utf8')) as {
  groups: { name: string; rules: Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.flatMap((rule) => (rule.alert === undefined ? [] : [{ ...rule, alert: rule.alert }]));
const runbook = readFileSync('docs/runbook.md', 'utf8');
/** Heading of level 2 or 3 -> what stands below it. */
const sections = new Map(
  runbook.split(/^#{2,3} /m).map((section) => {
    const end = section.indexOf('\n');
    return [section.slice(0, end), section.slice(end)] as const;
  }),
);
const namedIn = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, name = '']) => name);

describe('alerts and dashboards', () => {
  let scraped: Catalogue;
  /** And what rules record. */
  let known: Map<string, ReadonlyMap<string, ReadonlySet<string>>>;
  before(async () => {
    scraped = catalogueOf(await fullScrape());
    known = new Map(scraped);
    for (const { record, expr, labels } of rules) {
      if (record === undefined) continue;
      const found = readPromql(expr, known).labels ?? [];
      known.set(record, new Map([...found, ...Object.keys(labels ?? {})].map((label) => [label, new Set()])));
    }
  });

  it('rules name metrics, labels and words that a scrape has, and their sides can match', () => {
    expect(alerts.length).to.be.greaterThan(20);
    for (const { alert, record, expr } of rules) expect(readPromql(expr, known).problems, alert ?? record).to.deep.equal([]);
  });

  it('alerts speak of labels that they have', () => {
    for (const { alert, expr, annotations = {} } of alerts) {
      const { labels } = readPromql(expr, known);
      const spoken = namedIn(JSON.stringify(annotations), /\$labels\.(\w+)/g);
      expect([...(labels ?? [])], alert).to.include.members(spoken);
      // Two alerts of one name must be told apart by whoever reads them.
      for (const label of labels ?? []) expect(spoken, `${alert} does not say its ${label}`).to.include(label);
    }
  });

  it('alerts are of a known severity and have a section in the runbook that says what to do; no section is without an alert', () => {
    for (const { alert, labels, annotations } of alerts) {
      expect(labels?.['severity'], alert).to.be.oneOf(['page', 'ticket']);
      expect(annotations?.['runbook_url'], alert).to.match(new RegExp(`docs/runbook\\.md#${alert.toLowerCase()}$`));
      expect(sections.get(alert), `${alert} in docs/runbook.md`).to.match(/\*\*Means\*\*.*\*\*Look\*\*.*\*\*Do\*\*/s);
    }
    expect(new Set(alerts.map(({ alert }) => alert)).size).to.equal(alerts.length);
    const orphans = [...sections.keys()].filter((name) => name.startsWith('Gateway'));
    expect(orphans).to.have.members(alerts.map(({ alert }) => alert));
  });

  it('the runbook names metrics that there are', () => {
    for (const name of namedIn(runbook, /`((?:gateway|gen_ai)_\w+)/g))
      expect(known.has(name) || known.has(`${name}_count`), name).to.equal(true);
  });

  for (const file of globSync('charts/dashboards/*.json').sort())
    it(`${file} names metrics, labels and words that a scrape has`, () => {
      const { panels, templating } = JSON.parse(readFileSync(file, 'utf8')) as Dashboard;
      const variables = new Set(templating.list.map(({ name }) => name));
      expect(new Set(panels.map(({ id }) => id)).size).to.equal(panels.length);
      for (const { title, targets } of panels)
        for (const { expr, legendFormat } of targets) {
          const { problems, labels } = readPromql(expr, known);
          expect(problems, title).to.deep.equal([]);
          expect([...(labels ?? [])], title).to.include.members(namedIn(legendFormat, /\{\{(\w+)\}\}/g));
          for (const variable of namedIn(expr, /"\$(\w+)"/g)) expect(variables, title).to.include(variable);
        }
      for (const { query } of templating.list) {
        const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec(query) ?? [];
        if (metric !== undefined && label !== undefined) expect(scraped.get(metric)?.has(label), query).to.equal(true);
      }
    });

  it('docs/metrics.md has every metric; make it with: node test/unit/observability/metrics-table.ts', async () => {
    expect(readFileSync('docs/metrics.md', 'utf8')).to.equal(await render());
  });

  it('every metric of the gateway is shown or watched', () => {
    const panels = globSync('charts/dashboards/*.json').flatMap(
      (file) => (JSON.parse(readFileSync(file, 'utf8')) as Dashboard).panels,
    );
    const asked = [...rules, ...panels.flatMap(({ targets }) => targets)].flatMap(({ expr }) => [
      ...readPromql(expr, known).metrics,
    ]);
    const base = (name: string): string => name.replace(/_(bucket|count|sum)$/, '');
    const seen = new Set(asked.map(base));
    const ours = new Set([...scraped.keys()].map(base).filter((name) => /^(gateway|gen_ai)_/.test(name)));
    expect([...ours].filter((name) => !seen.has(name))).to.have.members(UNSEEN);
  });

  it('the reader of expressions finds what is wrong', () => {
    const problems = (expr: string): string => readPromql(expr, known).problems.join('; ');
    const wrong: readonly (readonly [expr: string, problem: string])[] = [
      ['sum(rate(gateway_request_total[5m]))', 'no metric gateway_request_total'],
      ['sum by (tenant) (rate(gateway_requests_total[5m]))', 'no label tenant'],
      ['gateway_requests_total{outcome=~"ok|fail"}', 'never has outcome="fail"'],
      ['gateway_requests_total{result="ok"}', 'no label result'],
      ['sum by (le) (gateway_attempt_duration_seconds_sum)', 'no label le'],
      ['histogram_quantile(0.5, sum by (target) (rate(gateway_attempt_duration_seconds_bucket[5m])))', 'no label le'],
      ['sum(gateway_workers', 'cannot be parsed'],
      ['sum by (target) (gateway_target_health) / sum by (state) (gateway_target_health)', 'never match'],
      ['sum by (target, state) (gateway_target_health) / on (target) sum by (target) (gateway_target_health)', 'several'],
      ['sum by (target) (gateway_target_health) and on (alias) gateway_workers', 'no label alias'],
      ['sum by (instance) (gateway:slo_error_budget)', 'no label instance'],
    ];
    for (const [expr, problem] of wrong) expect(problems(expr), expr).to.include(problem);
    expect(problems('sum by (target) (rate(gateway_attempts_total{target=~"$target"}[$__rate_interval]))')).to.equal('');
  });
});

/** What nobody needs to see every day. */
const UNSEEN = [
  'gateway_handed_over_streams',
  'gateway_audit_written_records',
  'gateway_policy_reloads_total',
  'gateway_policy_loaded_timestamp_seconds',
  'gateway_revocations_known',
  'gateway_console_sign_ins_total',
];
