import { expect } from 'chai';
import {
  choicesOf,
  estimateInputTokens,
  estimateTextTokens,
  outputCapOf,
} from '../../../filter/transform/token-estimate.ts';

/** Text with its count in OpenAI's o200k vocabulary, counted with gpt-tokenizer 4. */
const COUNTED: readonly (readonly [language: string, text: string, tokens: number])[] = [
  [
    'English',
    'The quick brown fox jumps over the lazy dog, and nobody in the whole village was surprised by it at all.',
    23,
  ],
  ['German', 'Die Geschwindigkeitsbegrenzung auf der Autobahn wurde gestern vom Verkehrsministerium bestätigt.', 18],
  ['Russian', 'Быстрая коричневая лиса перепрыгивает через ленивую собаку, и никто не удивился.', 26],
  ['Chinese', '敏捷的棕色狐狸跳过了懒狗，全村没有一个人对此感到惊讶。', 25],
  ['code', 'export function add(a: number, b: number): number {\n  return a + b;\n}\n', 20],
];

describe('tokens estimated', () => {
  for (const [language, text, tokens] of COUNTED)
    it(`${language}: not below what a tokenizer counts by much, nor twice as much`, () => {
      expect(estimateTextTokens(text) / tokens).to.be.within(0.9, 2);
    });

  it('pictures are pictures, not text; tools and keys count', () => {
    const picture = `data:image/png;base64,${'iVBORw0KGgoAAAANSUhEUg'.repeat(50_000)}`;
    const of = (content: unknown) => estimateInputTokens({ messages: [{ role: 'user', content: content as string }] });
    expect(of([{ type: 'image_url', image_url: { url: picture } }])).to.be.within(1_500, 1_800);
    expect(of('word '.repeat(700))).to.be.within(1_000, 1_020);
    expect(estimateInputTokens({ input: [1, 2, 3, 4] })).to.be.within(4, 10);
  });

  it('is quick', () => {
    const json = { messages: [{ role: 'user', content: 'word '.repeat(200_000) }] };
    const began = performance.now();
    for (let i = 0; i < 20; i++) estimateInputTokens(json);
    expect((performance.now() - began) / 20).to.be.lessThan(20);
  });

  it('takes the caller’s cap, whatever its schema calls it, and how many answers it wants', () => {
    expect(outputCapOf({ max_tokens: 5 })).to.equal(5);
    expect(outputCapOf({ max_completion_tokens: 7, max_tokens: 5 })).to.equal(7);
    expect(outputCapOf({ max_output_tokens: 9 })).to.equal(9);
    expect(outputCapOf({ generationConfig: { maxOutputTokens: 11 } })).to.equal(11);
    expect(outputCapOf({})).to.equal(undefined);
    expect(
      [{}, { n: 3 }, { n: 0.5 }, { n: 2.5 }, { n: 'x' }, { generationConfig: { candidateCount: 4 } }].map(choicesOf),
    ).to.deep.equal([1, 3, 1, 3, 1, 4]);
    // JSON has infinite numbers.
    expect(choicesOf(JSON.parse('{"n":1e999}'))).to.equal(128);
  });
});
