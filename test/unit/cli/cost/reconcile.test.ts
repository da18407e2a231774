/** Exports in the form of each provider: columns as they have them, numbers of ours. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { azureMeter, bedrockUsageType, tokensIn, vertexSku } from '../../../../filter/cli/cost/bill-lines.ts';
import { dayOf } from '../../../../filter/cli/cost/billed.ts';
import { canonical } from '../../../../filter/cli/cost/model-names.ts';
import type { AuditRecord } from '../../../../filter/observability/audit-record.ts';
import { auditUsage } from '../../../../filter/observability/estimate.ts';
import { NO_USAGE } from '../../../../filter/transform/unified.ts';
import { attempt, record } from '../../observability/observed.ts';
import { CostCommand } from './cost-command.ts';

const DAY = '2026-11-24';
const usage = auditUsage(
  { ...NO_USAGE, inputUncached: 1000, cacheRead: 300, cacheWrite5m: 200, outputVisible: 50 },
  'provider',
);

function of(cluster: string, provider_schema: string, model: string, changes: Partial<AuditRecord> = {}): AuditRecord {
  const made = attempt({ cluster, provider_schema, model });
  return record(`r-${model}`, { attempts: [made], response_model: model, usage, cost_nano_usd: 2_000_000_000, ...changes });
}

const RECORDS = [
  of('openai', 'openai-chat', 'gpt-5.5-2026-04-23'),
  of('openai', 'openai-responses', 'gpt-5.5-2026-04-23', { time: `${DAY}T23:59:59.999Z` }),
  of('openai', 'openai-chat', 'gpt-5.5-2026-04-23', { time: '2026-11-25T00:00:00.000Z' }),
  of('local', 'vllm-chat', 'llama'),
  of('anthropic', 'anthropic-messages', 'claude-haiku-4-5-20251001'),
  of('bedrock', 'bedrock-converse', 'eu.anthropic.claude-sonnet-4-6'),
  of('vertex', 'gemini', 'gemini-2.5-flash'),
  of('azure', 'azure-openai-chat', 'gpt-4o-mini-2024-07-18'),
];

describe('cost reconcile', () => {
  let command: CostCommand;
  before(async () => {
    command = await CostCommand.of(RECORDS);
  });
  after(() => command.remove());

  /** @returns day, model, measure, audit, export of each number, and the exit code */
  function reconciled(provider: string, name: string, text: string, ...options: string[]) {
    const args = ['--provider', provider, '--file', command.file(name, text), ...options];
    const { code, out, err } = command.run('reconcile', '--json', ...args);
    if (out === '') throw new Error(err);
    const { rows, left_out, shape } = JSON.parse(out);
    const numbers = rows.map(({ day, model, of: measure, audit, export: billed }: Record<string, string>) => [
      day,
      model,
      measure,
      audit,
      billed,
    ]);
    return { code, numbers, left_out, shape };
  }

  const OPENAI_USAGE =
    'start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,model,batch,service_tier,input_tokens,output_tokens,input_cached_tokens\n' +
    '1795478400,1795564800,2026-11-24T00:00:00+00:00,2026-11-25T00:00:00+00:00,proj_1,1.0,gpt-5.5-2026-04-23,FALSE,default,1500.0,50.0,300.0\n' +
    '1795478400,1795564800,2026-11-24T00:00:00+00:00,2026-11-25T00:00:00+00:00,proj_2,1.0,gpt-5.5-2026-04-23,FALSE,default,1500.0,40.0,300.0\n';

  it('OpenAI, usage: tokens by kind and day; a number beyond the tolerance is exit code 1', () => {
    const { code, numbers, shape } = reconciled('openai', 'usage.csv', OPENAI_USAGE);
    expect(shape).to.equal('usage');
    const model = 'gpt-5.5-2026-04-23';
    expect(numbers).to.deep.equal([
      [DAY, model, 'input', '3000', '3000'],
      [DAY, model, 'cache read', '600', '600'],
      [DAY, model, 'output', '100', '90'],
    ]);
    expect(code).to.equal(1);
    expect(reconciled('openai', 'usage.csv', OPENAI_USAGE, '--tolerance', '12%').code).to.equal(0);
    const path = command.file('usage.csv', OPENAI_USAGE);
    const { out } = command.run('reconcile', '--provider', 'openai', '--file', path, '--tolerance', '0.05%');
    expect(out)
      .to.contain('2 of 3 numbers are within 0.05%')
      .and.to.contain('-11.1%  !')
      .and.not.to.match(/^2026.*cache read/m);
  });

  it('a day on which the export has nothing is a day too: what the audit log has of it is on one side alone', () => {
    const empty = '1795564800,1795651200,2026-11-25T00:00:00+00:00,2026-11-26T00:00:00+00:00,,,,,,,,\n';
    const { code, numbers } = reconciled('openai', 'usage.csv', OPENAI_USAGE + empty, '--tolerance', '12%');
    expect([code, numbers.slice(3)]).to.deep.equal([
      1,
      ['input', 'cache read', 'output'].map((measure, place) => [
        ...['2026-11-25', 'gpt-5.5-2026-04-23', measure],
        ...[['1500', '300', '50'][place], null],
      ]),
    ]);
  });

  it('OpenAI, costs: lines of a model are one sum; models on one side alone', () => {
    const text =
      'start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,organization_id,organization_name\n' +
      '1795478400,1795564800,2026-11-24T00:00:00+00:00,,3.0000000000000001,usd,"gpt-5.5-2026-04-23, input",,org,Acme\n' +
      '1795478400,1795564800,2026-11-24T00:00:00+00:00,,1.0049999999999999,usd,"gpt-5.5-2026-04-23, output",,org,Acme\n' +
      '1795478400,1795564800,2026-11-24T00:00:00+00:00,,0.5,usd,"text-embedding-3-small, input",,org,Acme\n';
    const { code, numbers } = reconciled('openai', 'cost.csv', text);
    expect(numbers).to.deep.equal([
      [DAY, 'gpt-5.5-2026-04-23', 'USD', '4.000000000', '4.005000000'],
      [DAY, 'text-embedding-3-small', 'USD', null, '0.500000000'],
    ]);
    expect(code).to.equal(1);
    expect(reconciled('openai', 'cost.csv', text.split('\n').slice(0, 3).join('\n')).code).to.equal(0);
    expect(command.run('reconcile', '--provider', 'openai', '--file', command.file('cost.csv', text)).out).to.contain(
      'export only',
    );
  });

  it('OpenAI, costs without line items: by day alone', () => {
    const text = 'start_time,amount_value,amount_currency,line_item\n1795478400,4,usd,\n';
    expect(reconciled('openai', 'cost.csv', text)).to.deep.include({
      ...{ code: 0, numbers: [[DAY, '(all)', 'USD', '4.000000000', '4.000000000']] },
    });
  });

  it('OpenAI and Anthropic, what their admin APIs answer', () => {
    const costs = {
      object: 'page',
      data: [
        {
          ...{ object: 'bucket', start_time: 1_795_478_400, end_time: 1_795_564_800 },
          results: [
            {
              object: 'organization.costs.result',
              amount: { value: 4, currency: 'usd' },
              line_item: 'gpt-5.5-2026-04-23, input',
              project_id: null,
            },
          ],
        },
      ],
    };
    expect(reconciled('openai', 'costs.json', JSON.stringify(costs))).to.deep.include({ code: 0, shape: 'costs' });
    const used = {
      data: [
        {
          ...{ starting_at: '2026-11-24T00:00:00Z', ending_at: '2026-11-25T00:00:00Z' },
          results: [
            {
              ...{
                uncached_input_tokens: 1000,
                cache_read_input_tokens: 300,
                output_tokens: 50,
                model: 'claude-haiku-4-5-20251001',
              },
              cache_creation: { ephemeral_1h_input_tokens: 0, ephemeral_5m_input_tokens: 200 },
              server_tool_use: { web_search_requests: 0 },
            },
          ],
        },
      ],
    };
    const { code, numbers } = reconciled('anthropic', 'usage.json', JSON.stringify(used));
    expect([code, numbers.length]).to.deep.equal([0, 4]);
    // The API's money is in cents.
    const report = {
      data: [
        {
          starting_at: '2026-11-24T00:00:00Z',
          results: [{ currency: 'USD', amount: '200.5', model: 'claude-haiku-4-5-20251001', token_type: 'output_tokens' }],
        },
      ],
    };
    expect(reconciled('anthropic', 'report.json', JSON.stringify(report)).numbers[0]?.slice(3)).to.deep.equal([
      '2.000000000',
      '2.005000000',
    ]);
  });

  it('Anthropic, console: usage, and costs that name models as people do', () => {
    const text =
      '\ufeffusage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count,inference_geo,speed\n' +
      '2026-11-24,claude-haiku-4-5-20251001,key,Default,standard,≤ 200k,1000,150,50,300,50,0,global,\n';
    expect(reconciled('anthropic', 'usage.csv', text)).to.deep.include({ code: 0 });
    const costs =
      'usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,inference_geo,speed\n' +
      '2026-11-24,Claude Haiku 4.5,Default,key,message,≤ 200k,input_no_cache,1.25,1.25,token,global,\n' +
      '2026-11-24,Claude Haiku 4.5,Default,key,message,≤ 200k,output,0.75,0.75,token,global,\n';
    expect(reconciled('anthropic', 'costs.csv', costs)).to.deep.include({
      ...{ code: 0, numbers: [[DAY, 'claude-haiku-4-5-20251001', 'USD', '2.000000000', '2.000000000']] },
    });
  });

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
    const { code, numbers, left_out } = reconciled('bedrock', 'cur.csv', CUR);
    expect([code, numbers, left_out]).to.deep.equal([0, expected, { rows: 1, usd: '99.500000000' }]);
    const legacy = CUR.replace(/line_item_(\w+)/g, (_, name: string) => `lineItem/${name.replaceAll('_', '')}`).replace(
      'pricing_unit',
      'pricing/unit',
    );
    expect(reconciled('bedrock', 'cur-1.csv', legacy).numbers).to.deep.equal(expected);
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
    expect(reconciled('bedrock', 'cur.csv', marked)).to.deep.include({
      ...{ code: 0, left_out: { rows: 5, usd: '98.500000000' } },
    });
    const google =
      'sku.description,usage_start_time,cost,currency,cost_type\n' +
      'Gemini 2.5 Flash Text Input - Predictions,2026-11-24 07:00:00 UTC,2,USD,regular\n' +
      'Gemini 2.5 Flash Text Input - Predictions,2026-11-24 07:00:00 UTC,-0.5,USD,adjustment\n';
    expect(reconciled('vertex', 'gcp.csv', google)).to.deep.include({ code: 0, left_out: { rows: 1, usd: '-0.500000000' } });
    const azure =
      'Date,MeterName,CostInBillingCurrency,BillingCurrency,ChargeType\n' +
      '11/24/2026,gpt-4o-mini-Inp-glbl Tokens,2,USD,Usage\n11/24/2026,gpt-4o-mini-Inp-glbl Tokens,-1,USD,Refund\n';
    expect(reconciled('azure', 'azure.csv', azure)).to.deep.include({ code: 0, left_out: { rows: 1, usd: '-1.000000000' } });
  });

  it('Bedrock: Cost Explorer’s table of days', () => {
    const text =
      '"Usage type","EUC1-Claude4.6Sonnet-input-tokens($)","EUC1-Claude4.6Sonnet-output-tokens($)","Total costs($)"\n' +
      '"Usage type total","9.0","9.0","18.0"\n"2026-11-24","1.5","0.5","2.0"\n';
    expect(reconciled('bedrock', 'explorer.csv', text)).to.deep.include({
      ...{ code: 0, numbers: [[DAY, 'eu.anthropic.claude-sonnet-4-6', 'USD', '2.000000000', '2.000000000']] },
    });
  });

  it('Vertex: the billing export and the console’s table', () => {
    const exported =
      'service.description,sku.description,usage_start_time,cost,currency,usage.amount,usage.unit\n' +
      'Vertex AI,Gemini 2.5 Flash Text Input - Predictions,2026-11-24 07:00:00 UTC,1.5,USD,1500,count\n' +
      'Vertex AI,Gemini 2.5 Flash Text Output - Predictions,2026-11-24 07:00:00 UTC,0.5,USD,50,count\n' +
      'Compute Engine,N1 Predefined Instance Core,2026-11-24 07:00:00 UTC,7,USD,1,seconds\n';
    const { numbers, left_out } = reconciled('vertex', 'gcp.csv', exported);
    expect(numbers).to.deep.equal([
      [DAY, 'gemini-2.5-flash', 'input', '1500', '1500'],
      [DAY, 'gemini-2.5-flash', 'output', '50', '50'],
      [DAY, 'gemini-2.5-flash', 'USD', '2.000000000', '2.000000000'],
    ]);
    expect(left_out.rows).to.equal(1);
    const table =
      'Service description,SKU description,Usage start date,Usage amount,Usage unit,Cost ($)\nVertex AI,Gemini 2.5 Flash Text Input,2026-11-24,,,"$2.00"\n';
    expect(reconciled('vertex', 'table.csv', table)).to.deep.include({ code: 0 });
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
    expect(reconciled('azure', 'azure.csv', text).code).to.equal(1);
    const { code, numbers } = reconciled('azure', 'azure.csv', text, '--models', 'gpt-4o-mini-0718=gpt-4o-mini');
    expect([code, numbers.at(-1)]).to.deep.equal([0, [DAY, 'gpt-4o-mini-2024-07-18', 'USD', '2.000000000', '2.000000000']]);
    const euros = text.replaceAll('USD', 'EUR');
    const { err } = command.run('reconcile', '--provider', 'azure', '--file', command.file('eur.csv', euros));
    expect(err).to.contain('row 2: the money is in EUR');
  });

  it('any other export: columns by name, semicolons too', () => {
    const text = 'when;which;what\n2026-11-24;gpt-5.5;4\n';
    const columns = ['--columns', 'date=when,model=which,cost=what'];
    expect(reconciled('openai', 'own.csv', text, ...columns).code).to.equal(0);
    const german = command.file('german.csv', text.replace(';4', ';4,000'));
    expect(command.run('reconcile', '--provider', 'openai', '--file', german, ...columns).err).to.contain(
      'german.csv: "4,000": in a table with semicolons a comma may be a decimal one',
    );
  });

  it('says what is missing, and where a cell cannot be read', () => {
    const err = (text: string, ...options: string[]): string =>
      command.run('reconcile', '--provider', 'openai', '--file', command.file('bad.csv', text), ...options).err;
    expect(err('start_time,model,input_tokens\n1,a,2\n')).to.contain(
      'bad.csv: no column output_tokens (as usage). It has start_time, model, input_tokens.',
    );
    expect(err(OPENAI_USAGE.replace('1500.0', '15.5'))).to.contain(
      'bad.csv: row 2: expected a number of tokens, found "15.5"',
    );
    expect(err(OPENAI_USAGE.replaceAll('2026-11-24T', 'yesterday'))).to.contain('row 2: expected a date');
    expect(err('')).to.contain('bad.csv: is empty');
    expect(err('a,b\n1,2\n', '--columns', 'date=a,colour=b')).to.contain('--columns: expected date, model');
    expect(err('a,b\n1,2\n', '--columns', 'date=a,model=b')).to.contain('at least one column of money or tokens');
    expect(err('a,b\n1,2\n', '--columns', 'date=a,cost=c')).to.contain('no column c');
    expect(command.run('reconcile', '--provider', 'acme').code).to.equal(2);
  });

  it('looks at some clusters alone, where one provider’s schema is spoken by others', () => {
    const text = 'start_time,amount_value,amount_currency,line_item\n1795478400,4,usd,\n';
    expect(reconciled('openai', 'cost.csv', text, '--clusters', 'elsewhere').numbers).to.deep.equal([
      [DAY, '(all)', 'USD', null, '4.000000000'],
    ]);
  });
});

describe('lines of bills', () => {
  it('Bedrock’s usage types', () => {
    expect(bedrockUsageType('USE1-Nova2.0Lite-input-tokens-flex')).to.deep.equal({ model: 'Nova2.0Lite', measure: 'input' });
    expect(bedrockUsageType('USE1-openai.gpt-oss-120b-mantle-output-tokens-standard')).to.deep.equal({
      model: 'openai.gpt-oss-120b',
      measure: 'output',
    });
    expect(bedrockUsageType('APN1-Claude4.6Sonnet-cache-write-input-token-count-cross-region-global')).to.deep.equal({
      model: 'claude-Sonnet-4.6',
      measure: 'cache write',
    });
    expect(bedrockUsageType('USE1-BoxUsage')).to.equal(undefined);
  });

  it('Azure’s meters and Google’s SKUs', () => {
    expect(azureMeter('gpt 4.1 nano cached Inp glbl Tokens')).to.deep.equal({
      model: 'gpt-4.1-nano',
      measure: 'cache read',
    });
    expect(azureMeter('GPT 5 mini Outpt DZone 1M Tokens')).to.deep.equal({ model: 'gpt-5-mini', measure: 'output' });
    expect(azureMeter('Provisioned Managed Unit')).to.equal(undefined);
    expect(vertexSku('Claude Sonnet 4.5 - Cache Read Input Tokens')).to.deep.equal({
      model: 'claude-sonnet-4.5',
      measure: 'cache read',
    });
    expect(vertexSku('Gemini 2.5 Pro Thinking Text Output - Predictions')).to.deep.equal({
      model: 'gemini-2.5-pro',
      measure: 'output',
    });
    expect(vertexSku('Network Egress')).to.equal(undefined);
  });

  it('units of tokens', () => {
    expect([
      tokensIn('1.5', '1K tokens'),
      tokensIn('2', '1M'),
      tokensIn('7', 'count'),
      tokensIn('1', 'Hrs'),
      tokensIn('', '1K'),
      tokensIn('-1.5', '1K'),
    ]).to.deep.equal([1500n, 2_000_000n, 7n, undefined, undefined, -1500n]);
  });

  it('names and days', () => {
    expect(
      [
        'Claude Haiku 4.5',
        'claude-haiku-4-5-20251001',
        'eu.anthropic.claude-haiku-4-5-20251001-v1:0',
        'claude-haiku-4-5@20251001',
      ].map(canonical),
    ).to.deep.equal(Array(4).fill('claude-haiku-4-5'));
    expect([canonical('gpt-5.5'), canonical('gpt-5.5-2026-04-23'), canonical('gpt-5')]).to.deep.equal([
      'gpt-5-5',
      'gpt-5-5',
      'gpt-5',
    ]);
    expect(
      [
        'amazon.titan-embed-text-v1',
        'amazon.titan-embed-text-v2:0',
        'DeepSeek-V3',
        'DeepSeek-V4',
        'amazon.nova-pro-v1:0',
      ].map(canonical),
      'a version is no revision',
    ).to.deep.equal(['titan-embed-text', 'titan-embed-text-v2', 'deepseek-v3', 'deepseek-v4', 'nova-pro']);
    expect(['claude-3-5-sonnet-v2@20241022', 'anthropic.claude-3-5-sonnet-20241022-v2:0'].map(canonical)).to.deep.equal(
      Array(2).fill('claude-3-5-sonnet'),
    );
    expect(
      ['1795478400', '11/24/2026', '20261124', '2026-11-24 07:00:00 UTC', '2026-11-24T23:30:00-05:00', '2026-11-24'].map(
        dayOf,
      ),
    ).to.deep.equal([DAY, DAY, DAY, DAY, '2026-11-25', DAY]);
    expect(['2026-11-25 00:30:00+01', '2026-11-25 00:30:00 +0100', '2026-11-24T23:30-05'].map(dayOf)).to.deep.equal([
      ...[DAY, DAY, '2026-11-25'],
    ]);
    expect(() => dayOf('24/11/2026')).to.throw('month/day/year');
    for (const text of ['2026-13-24', '2026-02-30', '20260230', '2/30/2026', '2026-02-30 01:00:00+02'])
      expect(() => dayOf(text), text).to.throw('expected a date');
    expect(['2028-02-29', '20280229', '2/29/2028'].map(dayOf)).to.deep.equal(Array.from({ length: 3 }, () => '2028-02-29'));
  });
});
