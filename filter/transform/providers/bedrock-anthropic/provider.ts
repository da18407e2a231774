/**
 * Claude through Bedrock's InvokeModel (providers.md 1.4): Anthropic's Messages, but the model and the kind of answer stand in the path, the
 * version and the betas in the body, and a stream comes in AWS's frames.
 */
import { isObject, type JsonObject, parseObject } from '../../../json.ts';
import { AWS_EVENT_STREAM } from '../../codecs/aws-event-stream.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import type { ChatOperation, EncodeTarget, OriginalRequest, ProviderSchema } from '../../schema.ts';
import { anthropicMessagesProvider } from '../anthropic-messages/provider.ts';
import { bedrockConverseProvider } from '../bedrock-converse/provider.ts';
import { allowedBetas } from './betas.ts';

const ANTHROPIC_VERSION = 'bedrock-2023-05-31';

const { chat: messages } = anthropicMessagesProvider;
const native = messages?.native;
if (messages === undefined || native === undefined) throw new Error('the Messages schema has lost its chat');

function modelPath({ basePath, model }: EncodeTarget): string {
  return `${basePath ?? ''}/model/${encodeURIComponent(model)}`;
}

/** What differs from Anthropic's own body: the model, `stream` and what only Anthropic's own platform knows go, the version comes. */
function invoked({ model: _path, stream: _operation, service_tier: _tier, ...body }: JsonObject): JsonObject {
  return { anthropic_version: ANTHROPIC_VERSION, ...body };
}

function withTier(body: JsonObject, dropped: string[]): string[] {
  return body['service_tier'] === undefined || dropped.includes('service_tier') ? dropped : [...dropped, 'service_tier'];
}

const chat: ChatOperation = {
  path: (target, stream) => `${modelPath(target)}/${stream ? 'invoke-with-response-stream' : 'invoke'}`,
  framing: AWS_EVENT_STREAM,
  encodeRequest(request, target) {
    const { body, dropped } = messages.encodeRequest(request, target);
    return { body: invoked(body), dropped: withTier(body, dropped) };
  },
  decodeAnswer: messages.decodeAnswer,
  openStream(emit) {
    const decoder = messages.openStream(emit);
    return {
      push(event) {
        const exception = exceptionOf(event);
        if (exception !== undefined) emit({ type: 'error', error: exception });
        else decoder.push(unwrapped(event));
      },
    };
  },
  native: {
    caller: 'anthropic-messages',
    passedHeaders: [],
    edit(original, target, stream) {
      const betas = allowedBetas(original.header('anthropic-beta'));
      return new Map<string, string | undefined>([
        ...native.edit(original, target, stream),
        ['model', undefined],
        ['stream', undefined],
        ['service_tier', undefined],
        ['anthropic_version', JSON.stringify(ANTHROPIC_VERSION)],
        ['anthropic_beta', betas.length === 0 ? undefined : JSON.stringify(betas)],
      ]);
    },
    dropped(original) {
      const asked = (original.header('anthropic-beta') ?? '').split(',').filter((flag) => flag.trim() !== '');
      const betas = allowedBetas(original.header('anthropic-beta')).length < asked.length ? ['anthropic-beta'] : [];
      return original.json['service_tier'] === undefined ? betas : [...betas, 'service_tier'];
    },
    readFacts: native.readFacts,
    openTap(original: OriginalRequest) {
      const tap = native.openTap(original);
      let exception: ReturnType<typeof exceptionOf>;
      return {
        see(event) {
          exception = exceptionOf(event);
          if (exception !== undefined) return undefined;
          const inner = unwrapped(event);
          return tap.see(inner);
        },
        facts: tap.facts,
        get outputCharacters() {
          return tap.outputCharacters;
        },
        get ended() {
          return tap.ended;
        },
        get error() {
          return exception ?? tap.error;
        },
      };
    },
  },
};

/** A frame holds one event of Anthropic's stream, in base64. `raw` is that event as Anthropic's own stream would have it. */
function unwrapped({ data }: StreamEvent): StreamEvent {
  const payload = parseObject(Buffer.from(data));
  const bytes = payload?.['bytes'];
  if (typeof bytes !== 'string') return { event: '', data: '', raw: Buffer.alloc(0) };
  const text = Buffer.from(bytes, 'base64').toString('utf8');
  const json: unknown = JSON.parse(text);
  if (!isObject(json)) throw new Error('an event of the stream is not a JSON object');
  const event = typeof json['type'] === 'string' ? json['type'].replaceAll(/[\r\n]/g, '') : '';
  // A line end inside JSON is legal, and would end the SSE line.
  const line = /[\r\n]/.test(text) ? JSON.stringify(json) : text;
  return { event, data: line, raw: Buffer.from(`event: ${event}\ndata: ${line}\n\n`) };
}

function exceptionOf({ event, data }: StreamEvent): ReturnType<ProviderSchema['decodeError']> | undefined {
  if (!event.startsWith('exception:')) return undefined;
  const type = event.slice('exception:'.length);
  const header = (name: string): string | undefined => (name === 'x-amzn-errortype' ? type : undefined);
  return { ...bedrockConverseProvider.decodeError(500, header, Buffer.from(data)), status: 0 };
}

export const bedrockAnthropicProvider: ProviderSchema = {
  name: 'bedrock-anthropic',
  requestHeaders: [],
  authorize: bedrockConverseProvider.authorize,
  chat,
  // The SDK has none on this path: CountTokens takes the body that InvokeModel would (providers.md 1.4).
  countTokens: {
    path: (target) => `${modelPath(target)}/count-tokens`,
    encodeRequest(request, target) {
      const { body, dropped } = messages.encodeRequest(request, target);
      const inner = Buffer.from(JSON.stringify(invoked(body))).toString('base64');
      return { body: { input: { invokeModel: { body: inner } } }, dropped };
    },
    decodeCount({ inputTokens }) {
      if (typeof inputTokens !== 'number') throw new Error('the answer has no inputTokens');
      return inputTokens;
    },
  },
  decodeError: bedrockConverseProvider.decodeError,
};
