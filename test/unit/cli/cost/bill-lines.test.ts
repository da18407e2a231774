/** What a line of a bill is for: of which model, of what measure, how much, on which day. */
import { expect } from 'chai';
import { azureMeter, bedrockUsageType, tokensIn, vertexSku } from '../../../../filter/cli/cost/bill-lines.ts';
import { dayOf } from '../../../../filter/cli/cost/billed.ts';
import { canonical } from '../../../../filter/cli/cost/model-names.ts';

describe('lines of bills', () => {
  for (const [whose, read, lines] of [
    [
      'Bedrock’s usage types',
      bedrockUsageType,
      [
        ['USE1-Nova2.0Lite-input-tokens-flex', 'Nova2.0Lite', 'input'],
        ['USE1-openai.gpt-oss-120b-mantle-output-tokens-standard', 'openai.gpt-oss-120b', 'output'],
        ['APN1-Claude4.6Sonnet-cache-write-input-token-count-cross-region-global', 'claude-Sonnet-4.6', 'cache write'],
        ['USE1-BoxUsage'],
      ],
    ],
    [
      'Azure’s meters',
      azureMeter,
      [
        ['gpt 4.1 nano cached Inp glbl Tokens', 'gpt-4.1-nano', 'cache read'],
        ['GPT 5 mini Outpt DZone 1M Tokens', 'gpt-5-mini', 'output'],
        ['Provisioned Managed Unit'],
      ],
    ],
    [
      'Google’s SKUs',
      vertexSku,
      [
        ['Claude Sonnet 4.5 - Cache Read Input Tokens', 'claude-sonnet-4.5', 'cache read'],
        ['Gemini 2.5 Pro Thinking Text Output - Predictions', 'gemini-2.5-pro', 'output'],
        ['Network Egress'],
      ],
    ],
  ] as const)
    it(whose, () => {
      for (const [line, model, measure] of lines)
        expect(read(line), line).to.deep.equal(model === undefined ? undefined : { model, measure });
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

  it('names', () => {
    for (const [name, spellings] of Object.entries({
      'claude-haiku-4-5': [
        ...['Claude Haiku 4.5', 'claude-haiku-4-5-20251001', 'claude-haiku-4-5@20251001'],
        'eu.anthropic.claude-haiku-4-5-20251001-v1:0',
      ],
      'claude-3-5-sonnet': ['claude-3-5-sonnet-v2@20241022', 'anthropic.claude-3-5-sonnet-20241022-v2:0'],
      'gpt-5-5': ['gpt-5.5', 'gpt-5.5-2026-04-23'],
      'gpt-5': ['gpt-5'],
      'titan-embed-text': ['amazon.titan-embed-text-v1'],
      // A version is no revision.
      'titan-embed-text-v2': ['amazon.titan-embed-text-v2:0'],
      'deepseek-v3': ['DeepSeek-V3'],
      'deepseek-v4': ['DeepSeek-V4'],
      'nova-pro': ['amazon.nova-pro-v1:0'],
    }))
      for (const spelling of spellings) expect(canonical(spelling), spelling).to.equal(name);
  });

  it('days', () => {
    for (const [day, spellings] of Object.entries({
      '2026-11-24': [
        ...['1795478400', '11/24/2026', '20261124', '2026-11-24 07:00:00 UTC', '2026-11-24'],
        ...['2026-11-25 00:30:00+01', '2026-11-25 00:30:00 +0100'],
      ],
      '2026-11-25': ['2026-11-24T23:30:00-05:00', '2026-11-24T23:30-05'],
      '2028-02-29': ['2028-02-29', '20280229', '2/29/2028'],
    }))
      for (const spelling of spellings) expect(dayOf(spelling), spelling).to.equal(day);
    expect(() => dayOf('24/11/2026')).to.throw('month/day/year');
    for (const text of ['2026-13-24', '2026-02-30', '20260230', '2/30/2026', '2026-02-30 01:00:00+02'])
      expect(() => dayOf(text), text).to.throw('expected a date');
  });
});
