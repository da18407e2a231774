/** Bills of the clouds: columns as they have them, numbers of ours. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { CostCommand } from './cost-command.ts';
import { DAY, RECORDS, reconciled } from './reconciliation.ts';

describe('cost reconcile, bills of the clouds', () => {
  let command: CostCommand;
  before(async () => {
    command = await CostCommand.of(RECORDS);
  });
  after(() => command.remove());

  const CUR = [
    'line_item_usage_start_date,line_item_product_code,line_item_usage_type,line_item_usage_amount,pricing_unit,line_item_unblended_cost,line_item_currency_code',
    '2026-11-24 03:00:00.000,AmazonBedrock,EUC1-Claude4.6Sonnet-input-tokens,1.0,1K tokens,1.0,USD',
    '2026-11-24 03:00:00.000,AmazonBedrock,EUC1-Claude4.6Sonnet-cache-read-input-token-count,0.3,1K tokens,0.25,USD',
    '2026-11-24 03:00:00.000,AmazonBedrock,EUC1-Claude4.6Sonnet-cache-write-input-token-count,0.2,1K tokens,0.25,USD',
    '2026-11-24 04:00:00.000,AmazonBedrock,EUC1-Claude4.6Sonnet-output-tokens,0.05,1K tokens,0.5,USD',
    '2026-11-24 04:00:00.000,AmazonEC2,EUC1-BoxUsage:m7g.large,1,Hrs,99.5,USD',
  ].join('\n');

  it('Bedrock: cost and usage report, old and new names, packed too; other services are left out and told', () => {
    const model = 'eu.anthropic.claude-sonnet-4-6';
    const expected = [
      [DAY, model, 'input', '1500', '1500'],
      [DAY, model, 'cache read', '300', '300'],
      [DAY, model, 'cache write', '200', '200'],
      [DAY, model, 'output', '50', '50'],
      [DAY, model, 'USD', '2.000000000', '2.000000000'],
    ];
    const { code, numbers, left_out } = reconciled(command, 'bedrock', 'cur.csv', CUR);
    expect([code, numbers, left_out]).to.deep.equal([0, expected, { rows: 1, usd: '99.500000000' }]);
    const legacy = CUR.replace(/line_item_(\w+)/g, (_, name: string) => `lineItem/${name.replaceAll('_', '')}`).replace(
      'pricing_unit',
      'pricing/unit',
    );
    expect(reconciled(command, 'bedrock', 'cur-1.csv', legacy).numbers).to.deep.equal(expected);
    const packed = join(command.directory, 'cur.csv.gz');
    writeFileSync(packed, gzipSync(CUR));
    expect(command.json('reconcile', '--provider', 'bedrock', '--file', packed).rows).to.have.length(5);
  });

  it('clouds: a credit, a refund, a discount or a tax has the meter of what it is for, and is no use of it', () => {
    const [head = '', ...rows] = CUR.split('\n');
    const marked = [
      `${head},line_item_line_item_type`,
      ...rows.map((row) => `${row},Usage`),
      ...['Credit', 'Refund', 'EdpDiscount', 'Tax'].map(
        (type) =>
          `2026-11-24 04:00:00.000,AmazonBedrock,EUC1-Claude4.6Sonnet-output-tokens,0.05,1K tokens,-0.25,USD,${type}`,
      ),
    ].join('\n');
    expect(reconciled(command, 'bedrock', 'cur.csv', marked)).to.deep.include({
      ...{ code: 0, left_out: { rows: 5, usd: '98.500000000' } },
    });
    const google =
      'sku.description,usage_start_time,cost,currency,cost_type\n' +
      'Gemini 2.5 Flash Text Input - Predictions,2026-11-24 07:00:00 UTC,2,USD,regular\n' +
      'Gemini 2.5 Flash Text Input - Predictions,2026-11-24 07:00:00 UTC,-0.5,USD,adjustment\n';
    expect(reconciled(command, 'vertex', 'gcp.csv', google)).to.deep.include({
      code: 0,
      left_out: { rows: 1, usd: '-0.500000000' },
    });
    const azure =
      'Date,MeterName,CostInBillingCurrency,BillingCurrency,ChargeType\n' +
      '11/24/2026,gpt-4o-mini-Inp-glbl Tokens,2,USD,Usage\n11/24/2026,gpt-4o-mini-Inp-glbl Tokens,-1,USD,Refund\n';
    expect(reconciled(command, 'azure', 'azure.csv', azure)).to.deep.include({
      code: 0,
      left_out: { rows: 1, usd: '-1.000000000' },
    });
  });

  it('Bedrock: Cost Explorer’s table of days', () => {
    const text =
      '"Usage type","EUC1-Claude4.6Sonnet-input-tokens($)","EUC1-Claude4.6Sonnet-output-tokens($)","Total costs($)"\n' +
      '"Usage type total","9.0","9.0","18.0"\n"2026-11-24","1.5","0.5","2.0"\n';
    expect(reconciled(command, 'bedrock', 'explorer.csv', text)).to.deep.include({
      ...{ code: 0, numbers: [[DAY, 'eu.anthropic.claude-sonnet-4-6', 'USD', '2.000000000', '2.000000000']] },
    });
  });

  it('Vertex: the billing export and the console’s table', () => {
    const exported =
      'service.description,sku.description,usage_start_time,cost,currency,usage.amount,usage.unit\n' +
      'Vertex AI,Gemini 2.5 Flash Text Input - Predictions,2026-11-24 07:00:00 UTC,1.5,USD,1500,count\n' +
      'Vertex AI,Gemini 2.5 Flash Text Output - Predictions,2026-11-24 07:00:00 UTC,0.5,USD,50,count\n' +
      'Compute Engine,N1 Predefined Instance Core,2026-11-24 07:00:00 UTC,7,USD,1,seconds\n';
    const { numbers, left_out } = reconciled(command, 'vertex', 'gcp.csv', exported);
    expect(numbers).to.deep.equal([
      [DAY, 'gemini-2.5-flash', 'input', '1500', '1500'],
      [DAY, 'gemini-2.5-flash', 'output', '50', '50'],
      [DAY, 'gemini-2.5-flash', 'USD', '2.000000000', '2.000000000'],
    ]);
    expect(left_out.rows).to.equal(1);
    const table =
      'Service description,SKU description,Usage start date,Usage amount,Usage unit,Cost ($)\nVertex AI,Gemini 2.5 Flash Text Input,2026-11-24,,,"$2.00"\n';
    expect(reconciled(command, 'vertex', 'table.csv', table)).to.deep.include({ code: 0 });
    for (const unit of ['€', 'EUR']) {
      const euros = command.file('eur.csv', table.replace('Cost ($)', `Cost (${unit})`).replace('$2.00', '2.00'));
      const { out, err } = command.run('reconcile', '--provider', 'vertex', '--file', euros);
      expect([out, err]).to.deep.equal([
        '',
        `${euros}: column Cost (${unit}): the money is not in USD, as the audit log's is\n`,
      ]);
    }
  });

  it('Azure: cost details, with the model’s name told where the meter’s is another', () => {
    const text =
      'Date,MeterCategory,MeterSubCategory,MeterName,Quantity,UnitOfMeasure,CostInBillingCurrency,BillingCurrency\n' +
      '11/24/2026,Azure OpenAI Service,Azure OpenAI,gpt-4o-mini-0718-Inp-glbl Tokens,1.2,1K,1.5,USD\n' +
      '11/24/2026,Azure OpenAI Service,Azure OpenAI,gpt-4o-mini-0718-cached-Inp-glbl Tokens,0.3,1K,0.1,USD\n' +
      '11/24/2026,Azure OpenAI Service,Azure OpenAI,gpt-4o-mini-0718-Outp-glbl Tokens,0.05,1K,0.4,USD\n';
    expect(reconciled(command, 'azure', 'azure.csv', text).code).to.equal(1);
    const { code, numbers } = reconciled(command, 'azure', 'azure.csv', text, '--models', 'gpt-4o-mini-0718=gpt-4o-mini');
    expect([code, numbers.at(-1)]).to.deep.equal([0, [DAY, 'gpt-4o-mini-2024-07-18', 'USD', '2.000000000', '2.000000000']]);
    const euros = text.replaceAll('USD', 'EUR');
    const { err } = command.run('reconcile', '--provider', 'azure', '--file', command.file('eur.csv', euros));
    expect(err).to.contain('row 2: the money is in EUR');
  });
});
