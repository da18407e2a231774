/** What each translation costs by itself, without gRPC and Envoy: every caller schema against every provider schema. */
import type { JsonObject } from '../../filter/json.ts';
import { conversionBetween } from '../../filter/transform/conversion/between.ts';
import type { Conversion } from '../../filter/transform/conversion/conversion.ts';
import { callerSchemas, providerSchema } from '../../filter/transform/registry.ts';
import type { OriginalRequest } from '../../filter/transform/schema.ts';
import { anthropicMessagesDialect } from '../providers/anthropic-messages.ts';
import { bedrockAnthropicDialect, bedrockConverseDialect } from '../providers/bedrock.ts';
import type { Dialect } from '../providers/dialect.ts';
import { geminiDialect } from '../providers/gemini.ts';
import { openAiChatDialect } from '../providers/openai-chat.ts';
import { openAiResponsesDialect } from '../providers/openai-responses.ts';
import { azureChatDialect, vertexAnthropicDialect } from '../providers/platforms.ts';
import { needed, originalOf, targetOf } from '../unit/transform/original.ts';

/** How a provider answers: its mock, and the path at which it does. */
const PROVIDERS: Readonly<Record<string, { dialect: Dialect; url: (stream: boolean) => string }>> = {
  'openai-chat': { dialect: openAiChatDialect, url: () => '/v1/chat/completions' },
  'openai-responses': { dialect: openAiResponsesDialect, url: () => '/v1/responses' },
  'azure-openai-chat': {
    dialect: azureChatDialect,
    url: () => '/openai/deployments/luna-prod/chat/completions?api-version=2024-10-21',
  },
  'anthropic-messages': { dialect: anthropicMessagesDialect, url: () => '/v1/messages' },
  'bedrock-converse': {
    dialect: bedrockConverseDialect,
    url: (stream) => `/model/anthropic.claude-haiku-5-5/${stream ? 'converse-stream' : 'converse'}`,
  },
  'bedrock-anthropic': {
    dialect: bedrockAnthropicDialect,
    url: (stream) => `/model/anthropic.claude-haiku-5-5/${stream ? 'invoke-with-response-stream' : 'invoke'}`,
  },
  'vertex-anthropic': {
    dialect: vertexAnthropicDialect,
    url: (stream) =>
      `/v1/projects/p/locations/l/publishers/anthropic/models/m:${stream ? 'streamRawPredict' : 'rawPredict'}`,
  },
  gemini: {
    dialect: geminiDialect,
    url: (stream) => `/v1beta/models/gemini-3.8-flash:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
  },
};

const TURN_BYTES = 1000;

/** A conversation of about so many bytes, in turns of a kilobyte: structure grows with the text. */
function turns(bytes: number): string[] {
  const text = 'lorem ipsum '.repeat(Math.ceil(TURN_BYTES / 12)).slice(0, TURN_BYTES);
  const count = Math.max(Math.round(bytes / TURN_BYTES), 1);
  return Array.from({ length: count % 2 === 0 ? count + 1 : count }, () => text);
}

const CALLERS: Readonly<Record<string, (bytes: number, stream: boolean) => OriginalRequest>> = {
  'openai-chat': (bytes, stream) => {
    const messages = turns(bytes).map((content, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content }));
    return originalOf({ model: 'a', messages, stream });
  },
  'openai-responses': (bytes, stream) => {
    const input = turns(bytes).map((content, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content }));
    return originalOf({ model: 'a', input, stream });
  },
  'anthropic-messages': (bytes, stream) => {
    const messages = turns(bytes).map((content, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content }));
    return originalOf({ model: 'a', max_tokens: 1000, messages, stream });
  },
  gemini: (bytes, stream) => {
    const contents = turns(bytes).map((text, index) => ({ role: index % 2 === 0 ? 'user' : 'model', parts: [{ text }] }));
    const path = `/v1beta/models/a:${stream ? 'streamGenerateContent' : 'generateContent'}`;
    return originalOf({ contents }, { path, query: stream ? 'alt=sse' : '' });
  },
};

const TARGET = targetOf('gpt-5.6-luna');
const ABOUT = { id: 'answer', model: 'gpt-5.6-luna' };

export interface Pair {
  readonly caller: string;
  readonly provider: string;
  readonly conversion: Conversion;
}

export function pairs(): Pair[] {
  return Object.keys(CALLERS).flatMap((caller) =>
    Object.keys(PROVIDERS).map((provider) => {
      const from = needed(callerSchemas.find(({ name }) => name === caller));
      return { caller, provider, conversion: needed(conversionBetween(from, needed(providerSchema(provider)))) };
    }),
  );
}

/** Request there and answer back, both of about so many bytes. @returns microseconds, the least of several tries */
export function costOfWhole({ caller, provider, conversion }: Pair, bytes: number): number {
  const { dialect, url } = needed(PROVIDERS[provider]);
  const text = 'lorem ipsum '.repeat(Math.ceil(bytes / 12)).slice(0, bytes);
  const answer = Buffer.from(JSON.stringify(dialect.answer(emptyBody(provider), text, url(false))));
  const make = needed(CALLERS[caller]);
  const source = make(bytes, false).bytes.toString();
  const { line } = make(bytes, false);
  return leastMicros(() => {
    // From the bytes on, as the exchange does it.
    const json = JSON.parse(source) as JsonObject;
    const original: OriginalRequest = { line, bytes: Buffer.from(source), json, header: () => undefined };
    conversion.encode(original, TARGET, false);
    conversion.answer(answer, original, ABOUT, () => undefined);
  });
}

/** A streamed answer of so many events with content. @returns microseconds, the least of several tries */
export function costOfStream({ caller, provider, conversion }: Pair, events: number): number {
  const { dialect, url } = needed(PROVIDERS[provider]);
  const text = 'word '.repeat(events);
  const body = { ...emptyBody(provider), stream: true };
  const chunks = dialect.stream(body, text, url(true)).map((event) => Buffer.from(event as string));
  const original = needed(CALLERS[caller])(1000, true);
  return leastMicros(() => {
    const splitter = conversion.framing.open();
    const carrier = conversion.openStream(original, ABOUT);
    for (const chunk of chunks) for (const event of splitter.push(chunk)) carrier.carry(event);
    carrier.end();
    if (!carrier.ended) throw new Error(`${caller} from ${provider}: the stream has no end`);
  });
}

/** What a mock needs to make an answer of a given text. */
function emptyBody(provider: string): JsonObject {
  const messages = [{ role: 'user', content: 'x' }];
  if (provider === 'gemini') return { contents: [{ role: 'user', parts: [{ text: 'x' }] }] };
  return { model: 'gpt-5.6-luna', messages, input: 'x', max_tokens: 1e9 };
}

const TRIES = 5;
const LEAST_MS = 4;

/** The least mean of several rounds, each long enough for the clock: what the work takes when nothing else does. */
function leastMicros(work: () => void): number {
  work();
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < TRIES; round++) {
    const began = performance.now();
    let times = 0;
    do {
      work();
      times += 1;
    } while (performance.now() - began < LEAST_MS);
    least = Math.min(least, ((performance.now() - began) * 1000) / times);
  }
  return least;
}
