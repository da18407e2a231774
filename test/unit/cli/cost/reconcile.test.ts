/** Exports in the form of each provider: columns as they have them, numbers of ours. Clouds have a file of their own. */
import { expect } from 'chai';
import { CostCommand } from './cost-command.ts';
import { DAY, RECORDS, reconciled } from './reconciliation.ts';

describe('cost reconcile', () => {
  let command: CostCommand;
  before(async () => {
    command = await CostCommand.of(RECORDS);
  });
  after(() => command.remove());

  const OPENAI_USAGE =
    'start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,model,batch,service_tier,input_tokens,output_tokens,input_cached_tokens\n' +
    '1795478400,1795564800,2026-11-24T00:00:00+00:00,2026-11-25T00:00:00+00:00,proj_1,1.0,gpt-5.5-2026-04-23,FALSE,default,1500.0,50.0,300.0\n' +
    '1795478400,1795564800,2026-11-24T00:00:00+00:00,2026-11-25T00:00:00+00:00,proj_2,1.0,gpt-5.5-2026-04-23,FALSE,default,1500.0,40.0,300.0\n';

  it('OpenAI, usage: tokens by kind and day; a number beyond the tolerance is exit code 1', () => {
    const { code, numbers, shape } = reconciled(command, 'openai', 'usage.csv', OPENAI_USAGE);
    expect(shape).to.equal('usage');
    const model = 'gpt-5.5-2026-04-23';
    expect(numbers).to.deep.equal([
      [DAY, model, 'input', '3000', '3000'],
      [DAY, model, 'cache read', '600', '600'],
      [DAY, model, 'output', '100', '90'],
    ]);
    expect(code).to.equal(1);
    expect(reconciled(command, 'openai', 'usage.csv', OPENAI_USAGE, '--tolerance', '12%').code).to.equal(0);
    const path = command.file('usage.csv', OPENAI_USAGE);
    const { out } = command.run('reconcile', '--provider', 'openai', '--file', path, '--tolerance', '0.05%');
    expect(out)
      .to.contain('2 of 3 numbers are within 0.05%')
      .and.to.contain('-11.1%  !')
      .and.not.to.match(/^2026.*cache read/m);
  });

  it('a day on which the export has nothing is a day too: what the audit log has of it is on one side alone', () => {
    const empty = '1795564800,1795651200,2026-11-25T00:00:00+00:00,2026-11-26T00:00:00+00:00,,,,,,,,\n';
    const { code, numbers } = reconciled(command, 'openai', 'usage.csv', OPENAI_USAGE + empty, '--tolerance', '12%');
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
    const { code, numbers } = reconciled(command, 'openai', 'cost.csv', text);
    expect(numbers).to.deep.equal([
      [DAY, 'gpt-5.5-2026-04-23', 'USD', '4.000000000', '4.005000000'],
      [DAY, 'text-embedding-3-small', 'USD', null, '0.500000000'],
    ]);
    expect(code).to.equal(1);
    expect(reconciled(command, 'openai', 'cost.csv', text.split('\n').slice(0, 3).join('\n')).code).to.equal(0);
    expect(command.run('reconcile', '--provider', 'openai', '--file', command.file('cost.csv', text)).out).to.contain(
      'export only',
    );
  });

  it('OpenAI, costs without line items: by day alone', () => {
    const text = 'start_time,amount_value,amount_currency,line_item\n1795478400,4,usd,\n';
    expect(reconciled(command, 'openai', 'cost.csv', text)).to.deep.include({
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
    expect(reconciled(command, 'openai', 'costs.json', JSON.stringify(costs))).to.deep.include({ code: 0, shape: 'costs' });
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
    const { code, numbers } = reconciled(command, 'anthropic', 'usage.json', JSON.stringify(used));
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
    expect(reconciled(command, 'anthropic', 'report.json', JSON.stringify(report)).numbers[0]?.slice(3)).to.deep.equal([
      '2.000000000',
      '2.005000000',
    ]);
  });

  it('Anthropic, console: usage, and costs that name models as people do', () => {
    const text =
      '\ufeffusage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count,inference_geo,speed\n' +
      '2026-11-24,claude-haiku-4-5-20251001,key,Default,standard,≤ 200k,1000,150,50,300,50,0,global,\n';
    expect(reconciled(command, 'anthropic', 'usage.csv', text)).to.deep.include({ code: 0 });
    const costs =
      'usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,inference_geo,speed\n' +
      '2026-11-24,Claude Haiku 4.5,Default,key,message,≤ 200k,input_no_cache,1.25,1.25,token,global,\n' +
      '2026-11-24,Claude Haiku 4.5,Default,key,message,≤ 200k,output,0.75,0.75,token,global,\n';
    expect(reconciled(command, 'anthropic', 'costs.csv', costs)).to.deep.include({
      ...{ code: 0, numbers: [[DAY, 'claude-haiku-4-5-20251001', 'USD', '2.000000000', '2.000000000']] },
    });
  });

  it('any other export: columns by name, semicolons too', () => {
    const text = 'when;which;what\n2026-11-24;gpt-5.5;4\n';
    const columns = ['--columns', 'date=when,model=which,cost=what'];
    expect(reconciled(command, 'openai', 'own.csv', text, ...columns).code).to.equal(0);
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
    expect(reconciled(command, 'openai', 'cost.csv', text, '--clusters', 'elsewhere').numbers).to.deep.equal([
      [DAY, '(all)', 'USD', null, '4.000000000'],
    ]);
  });
});
