import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { pino } from 'pino';
import { budgetsJson, standings } from '../../../../filter/cli/cost/budgets.ts';
import { groupsBy } from '../../../../filter/cli/cost/dimensions.ts';
import { summed } from '../../../../filter/cli/cost/log-sums.ts';
import { reconcileWith } from '../../../../filter/cli/cost/reconcile-command.ts';
import { reportCsv } from '../../../../filter/cli/cost/report.ts';
import { rePrice, rePriceTo, rePricingJson } from '../../../../filter/cli/cost/reprice-report.ts';
import { Logs } from '../../../../filter/cli/log-command.ts';
import { AuditLog } from '../../../../filter/observability/audit-log.ts';
import { loadPolicy } from '../../../../filter/policy/load.ts';
import { loadPriceBook } from '../../../../filter/prices/price-book.ts';
import { auditRecords } from '../../../load/audit-records.ts';

const SEGMENTS = 20;
const DIMENSIONS = ['tenant', 'model'] as const;
const UNTIL_MS = Date.UTC(2026, 10, 20);
const DAY_MS = 86_400_000;

const POLICY = `
version: 1
targets:
  gpt: {cluster: openai, schema: openai-chat, model: gpt-5.5}
aliases:
  fast: {chain: [gpt]}
tenants:
  tenant-1: {caller_keys: []}
  tenant-2: {caller_keys: []}
budgets:
  all: {usd: "300", period: month, when_spent: degrade}
  each: {per: [tenant, feature, agent], usd: "1", period: month, warn_at: 0.5, when_spent: refuse}
  two: {match: {tenants: [tenant-1, tenant-2]}, per: [caller_key], usd: "0.5", period: day, when_spent: warn}
`;
const PRICES = 'version: next\nprices: {gpt-5.5: {input_per_mtok: "1.000001", output_per_mtok: "3"}}\n';
const EXPORT = [
  'date,model,cost,input,output',
  ...Array.from({ length: 19 }, (_, day) => {
    const date = `2026-11-${String(day + 1).padStart(2, '0')}`;
    return `${date},gpt-5.5,1.5,1000000,100\n${date},GPT-6-Luna-2026-09-01,2.5,7,8`;
  }),
].join('\n');

describe('what a log adds up to, by several threads', () => {
  const directory = mkdtempSync(join(tmpdir(), 'log-sums-'));
  const log = join(directory, 'audit');
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const by = (most: number): Logs => new Logs([log], { most, fromBytes: 0 });
  before(async () => {
    // Each start begins a segment.
    for (let seed = 1; seed <= SEGMENTS; seed++) {
      const audit = await AuditLog.open(log, '', pino({ level: 'silent' }));
      for (const record of auditRecords({ count: 25 * seed, fromMs: Date.UTC(2026, 10, 1), untilMs: UNTIL_MS, seed }))
        audit.append(record);
      await audit.close();
    }
    expect(readdirSync(log).filter((name) => name.endsWith('.jsonl'))).to.have.length(SEGMENTS);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** The same, told by one thread and by three. */
  async function same(told: (logs: Logs) => Promise<unknown>): Promise<string> {
    const [one, several] = [JSON.stringify(await told(by(1))), JSON.stringify(await told(by(3)))];
    expect(several).to.equal(one);
    return one;
  }

  it('a report: the same groups, in their order', async () => {
    for (const selection of [{}, { tenant: 'tenant-5', untilMs: UNTIL_MS - DAY_MS }]) {
      const told = await same(async (logs) => {
        const groups = await summed(logs, selection, groupsBy(DIMENSIONS));
        expect(groups.total().requests).to.be.greaterThan(100);
        return reportCsv(groups, { by: DIMENSIONS, top: 1_000, width: 80 });
      });
      expect(told).to.contain('tenant-5,gpt-5.5,');
    }
  });

  it('budgets: the same buckets, courses and forecasts', async () => {
    const policy = loadPolicy(file('policy.yaml', POLICY));
    const told = await same(async (logs) => budgetsJson(await standings(policy, logs, UNTIL_MS - DAY_MS / 3)));
    const found: Record<string, unknown>[] = JSON.parse(told);
    expect(found.filter(({ budget }) => budget === 'each')).to.have.length.greaterThan(500);
    expect(found.filter(({ budget }) => budget === 'two').map(({ of }) => of)).to.deep.equal([
      'tenant-2/tenant-2-app',
      'tenant-1/tenant-1-app',
    ]);
    expect(found[0]?.['unpriced_requests']).to.be.greaterThan(0);
  });

  it('other prices: the same rows; what is written request by request adds up to them', async () => {
    const prices = file('prices.yaml', PRICES);
    const book = loadPriceBook(prices);
    const told = await same(async (logs) => rePricingJson(await rePrice(logs, {}, prices, book, DIMENSIONS), DIMENSIONS));
    const written = await rePriceTo(join(directory, 'new.jsonl'), by(3).records({}), book, DIMENSIONS);
    expect(JSON.stringify(rePricingJson(written, DIMENSIONS))).to.equal(told);
    expect(JSON.parse(told).total.usd_now).to.not.equal(JSON.parse(told).total.usd_before);
    const carried = await same(async (logs) =>
      rePricingJson(await rePrice(logs, {}, undefined, loadPriceBook(), DIMENSIONS), DIMENSIONS),
    );
    expect(JSON.parse(carried)).to.deep.include({ contradicted: 0 });
  });

  it('other prices that change while the log is read are refused', async () => {
    const prices = file('changed.yaml', PRICES);
    const book = loadPriceBook(prices);
    file('changed.yaml', PRICES.replace('next', 'other'));
    const failed = await rePrice(by(3), {}, prices, book, DIMENSIONS).catch((error: unknown) => String(error));
    expect(failed).to.contain('was changed while the log was read');
  });

  it("a provider's bill: the same numbers on the audit's side", async () => {
    const columns = 'date=date,model=model,cost=cost,input=input,output=output';
    for (const columnsTold of [columns, columns.replace('model=model,', '')]) {
      const options = { provider: 'openai', file: file('export.csv', EXPORT), columns: columnsTold, json: true };
      const told = await same((logs) => reconcileWith(options, logs, { alias: 'alias-3' }));
      const { rows, audit } = JSON.parse(JSON.parse(told).text);
      expect(audit.requests).to.be.greaterThan(100);
      expect(rows).to.have.length.greaterThan(50);
      expect(rows[0]?.audit).to.match(/^[1-9]/);
    }
  });

  it('fails when a segment cannot be read, and keeps nobody', async () => {
    const segments = [1, 2].map((firstSeq) => ({
      chain: 'filter',
      firstSeq,
      name: 'gone',
      path: join(directory, `gone-${firstSeq}`),
    }));
    const logs = Object.assign(by(2), { segments: async () => ({ segments, bytes: 1 }) });
    const failed = await summed(logs, {}, groupsBy(DIMENSIONS)).catch((error: unknown) => String(error));
    expect(failed).to.contain('ENOENT');
  });

  it('fails when parts do not go together', async () => {
    const plan = groupsBy(DIMENSIONS);
    const begin = (): ReturnType<typeof plan.begin> =>
      Object.assign(plan.begin(DIMENSIONS), {
        merge: () => {
          throw new Error('too many');
        },
      });
    const failed = await summed(by(2), {}, { ...plan, begin }).catch((error: unknown) => String(error));
    expect(failed).to.contain('too many');
  });

  it('counts what cannot be read', async () => {
    for (const name of readdirSync(log).slice(0, 2)) appendFileSync(join(log, name), 'rubbish\n{}\n');
    for (const threads of [1, 2]) {
      const told: [string, number][] = [];
      const logs = Object.assign(by(threads), {
        noteUnreadable: (place: string, lines: number) => told.push([place, lines]),
      });
      await summed(logs, {}, groupsBy(DIMENSIONS));
      expect(told.map(([, lines]) => lines)).to.deep.equal(threads === 1 ? [1, 1, 1, 1] : [2, 2]);
      expect(told[0]?.[0]).to.match(/^audit\.filter\.000000000000001\.jsonl:26$/);
    }
  });
});
