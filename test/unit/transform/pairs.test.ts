/** Every caller schema against every provider schema. The callers are the vendors' own SDKs: what they read is what counts. */
import Anthropic from '@anthropic-ai/sdk';
import { expect } from 'chai';
import fc from 'fast-check';
import OpenAI from 'openai';
import type { JsonObject } from '../../../filter/json.ts';
import { replaceMembers } from '../../../filter/transform/codecs/json-patch.ts';
import { SseSplitter } from '../../../filter/transform/codecs/sse.ts';
import {
  callerForPath,
  callerForUnknownPath,
  isSchemaName,
  providerSchema,
  providerSchemaNames,
} from '../../../filter/transform/registry.ts';
import type { CallerSchema, ProviderSchema, SchemaName } from '../../../filter/transform/schema.ts';
import { PAIR_CASES, type Told } from './pair-cases.ts';

const PATHS: Readonly<Record<SchemaName, string>> = {
  'openai-chat': '/v1/chat/completions',
  'anthropic-messages': '/v1/messages',
};
const NAMES = providerSchemaNames.filter(isSchemaName);
const TARGET = { model: 'target-model', maxOutputTokens: 8192 };

function callerOf(name: SchemaName): CallerSchema {
  const caller = callerForPath(PATHS[name]);
  if (caller === undefined) throw new Error(`nobody serves ${PATHS[name]}`);
  return caller;
}

/** What the exchange does with a plain answer. */
function carried(caller: CallerSchema, provider: ProviderSchema, answer: JsonObject): string {
  return caller.name === provider.name ? JSON.stringify(answer) : caller.encodeAnswer(provider.decodeAnswer(answer));
}

/** What the exchange does with a streamed one, whose bytes come in pieces that end anywhere. */
function carriedStream(caller: CallerSchema, provider: ProviderSchema, pieces: Buffer[], body: JsonObject): string {
  const splitter = new SseSplitter();
  const events = pieces.flatMap((piece) => splitter.push(piece));
  const rest = splitter.end();
  if (rest !== undefined) events.push(rest);
  if (caller.name === provider.name) {
    const tap = provider.openTap(body);
    const passed = events.filter((event) => tap.see(event) === 'pass').map(({ raw }) => raw);
    expect(tap.ended).to.equal(true);
    expect(tap.facts).to.have.all.keys('model', 'usage');
    return Buffer.concat(passed).toString();
  }
  const writer = caller.openStream({ body });
  let out = '';
  const stream = provider.openStream((event) => {
    out += writer.write(event);
  });
  for (const event of events) stream.push(event);
  return out;
}

function answering(body: string, type: string): typeof fetch {
  return async () => new Response(body, { headers: { 'content-type': type } });
}

const READERS: Readonly<Record<SchemaName, (body: string, streamed: boolean) => Promise<Told>>> = {
  async 'openai-chat'(body, streamed) {
    const fetch = answering(body, streamed ? 'text/event-stream' : 'application/json');
    const { completions } = new OpenAI({ apiKey: 'k', fetch, maxRetries: 0 }).chat;
    const request = { model: 'chat', messages: [] };
    const { choices, usage } = streamed
      ? await completions.stream(request).finalChatCompletion()
      : await completions.create(request);
    const [choice] = choices;
    return {
      text: choice?.message.content ?? '',
      calls: (choice?.message.tool_calls ?? []).flatMap((call) =>
        call.type === 'function'
          ? [{ id: call.id, name: call.function.name, input: JSON.parse(call.function.arguments || '{}') as unknown }]
          : [],
      ),
      stop: choice?.finish_reason ?? 'none',
      usage: [usage?.prompt_tokens ?? -1, usage?.prompt_tokens_details?.cached_tokens ?? -1, usage?.completion_tokens ?? -1],
    };
  },
  async 'anthropic-messages'(body, streamed) {
    const fetch = answering(body, streamed ? 'text/event-stream' : 'application/json');
    const { messages } = new Anthropic({ apiKey: 'k', fetch, maxRetries: 0 });
    const request = { model: 'chat', max_tokens: 1, messages: [] };
    const { content, stop_reason, usage } = streamed
      ? await messages.stream(request).finalMessage()
      : await messages.create(request);
    const cached = usage.cache_read_input_tokens ?? 0;
    return {
      text: content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join(''),
      calls: content.flatMap((block) =>
        block.type === 'tool_use' ? [{ id: block.id, name: block.name, input: block.input }] : [],
      ),
      stop: stop_reason ?? 'none',
      usage: [usage.input_tokens + (usage.cache_creation_input_tokens ?? 0) + cached, cached, usage.output_tokens],
    };
  },
};

describe('registry', () => {
  it('finds a caller schema by its exact path', () => {
    for (const name of NAMES) expect(callerOf(name).name).to.equal(name);
    for (const path of ['/', '/v1/messages/', '/v1/Messages', '/v1/messages/batches', ''])
      expect(callerForPath(path)).to.equal(undefined);
  });

  it('finds a provider schema by its name', () => {
    for (const name of NAMES) expect(providerSchema(name).name).to.equal(name);
    for (const name of ['openai', 'constructor', '']) expect(isSchemaName(name)).to.equal(false);
  });

  it('refuses an unknown path in words that its caller reads', () => {
    expect(callerForUnknownPath(() => undefined).name).to.equal('openai-chat');
    expect(callerForUnknownPath((name) => (name === 'anthropic-version' ? '2023-06-01' : undefined)).name).to.equal(
      'anthropic-messages',
    );
  });
});

for (const callerName of NAMES) {
  for (const providerName of NAMES) {
    const caller = callerOf(callerName);
    const provider = providerSchema(providerName);
    const same = callerName === providerName;

    describe(`pair: ${callerName} caller, ${providerName} provider`, () => {
      for (const { name, requests, answers, streams, told, stop } of PAIR_CASES) {
        const body = { ...requests[callerName], stream_options: { include_usage: true } };
        const expected = { ...told, stop: stop[callerName] };

        it(`${name}: the request`, () => {
          const unified = caller.parseRequest(requests[callerName]);
          expect(unified.unmapped).to.deep.equal([]);
          const { body: encoded, dropped } = provider.encodeRequest(unified, TARGET);
          expect(JSON.parse(encoded)).to.deep.equal({ ...requests[providerName], model: 'target-model' });
          expect(dropped).to.deep.equal([]);
        });

        if (same) {
          it(`${name}: the request that passes`, () => {
            const text = JSON.stringify(requests[callerName]);
            const passed = replaceMembers(Buffer.from(text), provider.passThrough(requests[callerName], TARGET)).toString();
            expect(passed).to.equal(text.replace('"model":"chat"', '"model":"target-model"'));
          });
        }

        it(`${name}: the answer`, async () => {
          expect(await READERS[callerName](carried(caller, provider, answers[providerName]), false)).to.deep.equal(expected);
        });

        it(`${name}: the streamed answer`, async () => {
          const out = carriedStream(caller, provider, [Buffer.from(streams[providerName])], body);
          expect(await READERS[callerName](out, true)).to.deep.equal(expected);
        });
      }

      it('property: a stream cut into pieces anywhere comes out the same', () => {
        const timeless = (out: string) => out.replaceAll(/"created":\d+/g, '"created":0');
        fc.assert(
          fc.property(
            fc.constantFrom(...PAIR_CASES),
            fc.array(fc.nat(5000), { maxLength: 12 }),
            ({ requests, streams }, cuts) => {
              const bytes = Buffer.from(streams[providerName]);
              const ends = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b);
              const pieces = [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
              const whole = carriedStream(caller, provider, [bytes], requests[callerName]);
              expect(timeless(carriedStream(caller, provider, pieces, requests[callerName]))).to.equal(timeless(whole));
            },
          ),
          { numRuns: 60 },
        );
      });

      it('a stream cut into single bytes comes out the same', () => {
        for (const { requests, streams } of PAIR_CASES) {
          const bytes = Buffer.from(streams[providerName]);
          const single = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
          const timeless = (out: string) => out.replaceAll(/"created":\d+/g, '"created":0');
          expect(timeless(carriedStream(caller, provider, single, requests[callerName]))).to.equal(
            timeless(carriedStream(caller, provider, [bytes], requests[callerName])),
          );
        }
      });

      it('a stream that is cut off never ends well (pitfall 33)', () => {
        for (const { requests, streams } of PAIR_CASES) {
          const half = streams[providerName].slice(0, streams[providerName].lastIndexOf('data: ') - 30);
          const splitter = new SseSplitter();
          const writer = caller.openStream({ body: requests[callerName] });
          let out = '';
          const stream = provider.openStream((event) => {
            out += writer.write(event);
          });
          for (const event of splitter.push(Buffer.from(half))) stream.push(event);
          expect(out).not.to.contain('[DONE]').and.not.to.contain('message_stop');
        }
      });
    });
  }
}
