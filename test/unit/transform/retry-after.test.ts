import { expect } from 'chai';
import { retryAfterSeconds } from '../../../filter/transform/provider-error.ts';

describe('how long a provider wants to be left alone', () => {
  const of = (headers: Readonly<Record<string, string>>): number | undefined => retryAfterSeconds((name) => headers[name]);
  const inSeconds = (seconds: number): string => new Date(Date.now() + seconds * 1000).toISOString();

  const cases: readonly [what: string, headers: Readonly<Record<string, string>>, seconds: number | undefined][] = [
    ['nothing', {}, undefined],
    ['retry-after-ms', { 'retry-after-ms': '1500.5', 'retry-after': '9' }, 2],
    ['retry-after', { 'retry-after': '7', 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '1m' }, 7],
    ["OpenAI's reset", { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '6m0s' }, 360],
    ['parts of a second', { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '1s200ms' }, 2],
    ['milliseconds alone', { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '12ms' }, 1],
    ["Azure's seconds", { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '42' }, 42],
    ['an unknown one', { 'x-ratelimit-remaining-tokens': '-1', 'x-ratelimit-reset-tokens': '-1' }, undefined],
    [
      'a limit that has something left',
      { 'x-ratelimit-remaining-tokens': '5', 'x-ratelimit-reset-tokens': '1m' },
      undefined,
    ],
    ['what cannot be read', { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': 'soon' }, undefined],
    [
      'the latest of several',
      {
        ...{ 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '3s' },
        ...{ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '9s' },
      },
      9,
    ],
  ];
  for (const [what, headers, seconds] of cases) it(what, () => expect(of(headers)).to.equal(seconds));

  it("Anthropic's time of day; one that has passed is none to wait for", () => {
    const reset = (kind: string, seconds: number) => ({
      [`anthropic-ratelimit-${kind}-remaining`]: '0',
      [`anthropic-ratelimit-${kind}-reset`]: inSeconds(seconds),
    });
    expect(of(reset('output-tokens', 29.9))).to.be.within(29, 30);
    expect(of(reset('requests', -5))).to.equal(0);
  });
});
