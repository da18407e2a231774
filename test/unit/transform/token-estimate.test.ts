/** The estimate of a prompt's tokens: near to a real tokenizer for every kind of text, blind to data, and bounded in what it costs. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { JsonObject } from '../../../filter/json.ts';
import { estimateInputTokens } from '../../../filter/transform/token-estimate.ts';
import { COUNTED } from './counted-texts.ts';

function estimate(body: JsonObject): number {
  return estimateInputTokens(body, Buffer.byteLength(JSON.stringify(body)));
}

/** What a request with a single text has besides it: its frame, and a value. */
const AROUND_TEXT = 7;

function tokensOf(text: string): number {
  return estimate({ instructions: text }) - AROUND_TEXT;
}

function counted(kind: string): { text: string; tokens: number } {
  const found = COUNTED.find((sample) => sample.kind === kind);
  if (found === undefined) throw new Error(`no text is counted for ${kind}`);
  return found;
}

describe('estimate of a text', () => {
  for (const { kind, text, tokens } of COUNTED) {
    it(`${kind}: no less than a tokenizer counts, and a third more at most`, () => {
      expect(tokensOf(text) / tokens).to.be.within(1, 1.34);
    });
  }

  it('of a long text looks at a sample of it, and comes out the same', () => {
    for (const { kind, text } of COUNTED) {
      const whole = tokensOf(text);
      expect(tokensOf(text.repeat(200)) / (whole * 200), kind).to.be.within(0.88, 1.12);
    }
  });

  it('is not taken in by texts whose lines are as long as the distance between samples', () => {
    const line = `${'7'.repeat(8)}${' '.repeat(24)}`;
    const whole = tokensOf(line.repeat(32)) * 64;
    expect(tokensOf(line.repeat(2_048)) / whole).to.be.within(0.85, 1.15);
  });

  it('is nothing for nothing', () => {
    expect(tokensOf('')).to.equal(0);
  });
});

describe('estimate of a request', () => {
  const { text, tokens } = counted('English');
  const tool = {
    name: 'get_weather',
    description: 'Get the current weather in a given location',
    parameters: {
      type: 'object',
      properties: {
        location: { type: 'string', description: 'The city and state, e.g. San Francisco, CA' },
        unit: { type: 'string', enum: ['celsius', 'fahrenheit'] },
      },
      required: ['location'],
    },
  };
  /** The JSON text of the tool in o200k. */
  const toolTokens = 79;
  const turns = <Turn>(turn: (role: 'user' | 'assistant') => Turn): Turn[] =>
    Array.from({ length: 10 }, (_, index) => turn(index % 2 === 0 ? 'user' : 'assistant'));

  const BODIES: Readonly<Record<string, JsonObject>> = {
    'Chat Completions': {
      ...{ model: 'm', temperature: 1, stream: true, user: 'u'.repeat(60) },
      messages: turns((role) => ({ role, content: text })),
      tools: [{ type: 'function', function: tool }],
    },
    Responses: {
      model: 'm',
      input: turns((role) => ({ type: 'message', role, content: [{ type: 'input_text', text }] })),
      tools: [{ type: 'function', ...tool }],
    },
    Messages: {
      ...{ model: 'm', max_tokens: 100 },
      messages: turns((role) => ({ role, content: [{ type: 'text', text }] })),
      tools: [{ name: tool.name, description: tool.description, input_schema: tool.parameters }],
    },
    generateContent: {
      contents: turns((role) => ({ role: role === 'user' ? 'user' : 'model', parts: [{ text }] })),
      tools: [
        {
          functionDeclarations: [{ name: tool.name, description: tool.description, parametersJsonSchema: tool.parameters }],
        },
      ],
      generationConfig: { temperature: 1, maxOutputTokens: 100 },
    },
  };
  for (const [schema, body] of Object.entries(BODIES)) {
    it(`${schema}: messages with their frames, and tools as the JSON that they are`, () => {
      expect(estimate(body) / (10 * (tokens + 4) + toolTokens)).to.be.within(1, 1.34);
    });
  }

  it('many short messages: what frames them is most of them', () => {
    const messages = Array.from({ length: 100 }, () => ({ role: 'user', content: 'ok, do it' }));
    // Four tokens of text, and four around it.
    expect(estimate({ model: 'm', messages }) / 800).to.be.within(1, 1.34);
  });

  it('embeddings: texts, or the numbers of tokens that somebody counted before', () => {
    expect(estimate({ model: 'm', input: [text, text] }) / (2 * tokens)).to.be.within(1, 1.34);
    expect(estimate({ model: 'm', input: [Array(500).fill(12_345), Array(500).fill(7)] })).to.be.within(1_000, 1_020);
    expect(estimate({ model: 'm', input: Array(500).fill(12_345) })).to.be.within(500, 510);
  });

  it('settings are no prompt', () => {
    const messages = [{ role: 'user', content: text }];
    const settings = { model: 'm'.repeat(500), metadata: { a: text }, user: text, temperature: 0.5, seed: 7, store: false };
    expect(estimate({ ...settings, messages })).to.equal(estimate({ messages }));
  });

  const data = 'iVBORw0KGgoAAAANSUhEUgAA'.repeat(20_000);
  const part = (content: JsonObject): number => estimate({ messages: [{ role: 'user', content: [content] }] });
  const sourced = (type: string, media_type: string): JsonObject => ({ type, source: { type: 'base64', media_type, data } });
  const url = `data:image/png;base64,${data}`;

  it('images, documents and recordings count by the part, in whichever schema, never as the text of their data', () => {
    const images = [
      part(sourced('image', 'image/png')),
      part({ type: 'image_url', image_url: { url } }),
      part({ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }),
      part({ type: 'input_image', image_url: url }),
      part({ inlineData: { mimeType: 'image/png', data } }),
      part({ file_data: { mime_type: 'image/png', file_uri: 'gs://bucket/a.png' } }),
      part({ type: 'tool_result', tool_use_id: 't', content: [sourced('image', 'image/png')] }),
      estimate({ prompt: 'A cat', images: [{ image_url: url }] }),
    ];
    for (const tokens of images) expect(tokens).to.be.within(1_600, 1_700);
    const others = [
      part(sourced('document', 'application/pdf')),
      part({ type: 'file', file: { filename: 'a.pdf', file_data: `data:application/pdf;base64,${data}` } }),
      part({ type: 'input_audio', input_audio: { data, format: 'wav' } }),
      part({ inlineData: { mimeType: 'audio/wav', data } }),
    ];
    for (const tokens of others) expect(tokens).to.be.within(8_000, 8_100);
  });

  it('text counts as text wherever it hides', () => {
    const long = text.repeat(100);
    const hidden = [
      part({ type: 'document', source: { type: 'text', media_type: 'text/plain', data: long } }),
      part({ type: 'document', source: { type: 'content', content: [{ type: 'text', text: long }] } }),
      part({ type: 'text', text: `data:${long}` }),
      part({ type: 'image', source: { type: 'base64', data: long } }),
      part({ type: 'tool_use', id: 't', name: 'n', input: { data: long, url: long } }) / 2,
    ];
    for (const estimated of hidden) expect(estimated).to.be.greaterThan(100 * tokens * 0.95);
  });

  it('sealed reasoning counts less than its base64', () => {
    const thought = { type: 'thinking', thinking: '', signature: data.slice(0, 6_000) };
    expect(estimate({ messages: [{ role: 'assistant', content: [thought] }] })).to.be.within(1_000, 1_050);
  });

  it('takes any nesting, and stops where a body is all structure: its size tells then', () => {
    const depth = 100_000;
    const deep: JsonObject = JSON.parse(`{"input":${'['.repeat(depth)}${']'.repeat(depth)}}`);
    expect(estimateInputTokens(deep, 2 * depth)).to.be.within(depth, 2 * depth);
    const wide: JsonObject = { input: Array.from({ length: 1_000_000 }, () => []) };
    expect(estimateInputTokens(wide, 3_000_000)).to.equal(1_500_000);
    const members: JsonObject = {
      messages: [Object.fromEntries(Array.from({ length: 150_000 }, (_, index) => [`k${index}`, 1]))],
    };
    expect(estimateInputTokens(members, 1_800_000)).to.equal(900_000);
  });

  it('property: whatever the body, it is a whole number, and more of a prompt is no fewer tokens', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), (value, more) => {
        const messages = [{ role: 'user', content: value }] as JsonObject[];
        const tokens = estimate({ messages });
        expect(Number.isSafeInteger(tokens) && tokens > 0).to.equal(true);
        expect(estimate({ messages: [...messages, { role: 'user', content: more }] })).to.be.at.least(tokens);
      }),
    );
  });
});
