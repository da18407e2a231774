/** Mixed traffic of several tenants: the same requests in the same order for the same seed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type CallerName, readAnswer } from '../envoy/read-answer.ts';
import type { Stack } from '../stack/stack.ts';

export interface Tenant {
  readonly tenant: string;
  readonly feature: string;
  readonly key: string;
  /** Of all requests. */
  readonly share: number;
  readonly alias: string;
  readonly schema: CallerName;
  /** Of its requests, how many want a stream. */
  readonly streams: number;
}

export interface Sent {
  readonly phase: string;
  readonly from: Tenant;
  readonly stream: boolean;
  /** The caller got the whole answer that it should get. */
  readonly ok: boolean;
  readonly status: number;
  readonly retryAfter: string | null;
  /** Who answered. */
  readonly target: string | null;
  readonly attempt: number;
  /** Until the last byte. */
  readonly ms: number;
  readonly requestId: string | null;
}

/** mulberry32: small, fast, and the same everywhere. @returns numbers from 0 to below 1 */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface TrafficOptions {
  readonly stack: Stack;
  readonly tenants: readonly Tenant[];
  readonly seed: number;
  /** On average; callers do not wait for each other. */
  readonly perSecond: number;
}

export interface Traffic {
  /** Sends for so long, or until `isOver`. Does not wait for the answers. */
  run(phase: string, forMs: number, isOver?: () => boolean): Promise<void>;
  /** All that was sent, in order, when the last answer has come. */
  settled(): Promise<Sent[]>;
}

export function startTraffic({ stack, tenants, seed, perSecond }: TrafficOptions): Traffic {
  const random = randomOf(seed);
  const sent: Promise<Sent>[] = [];
  let due = performance.now();
  return {
    async run(phase, forMs, isOver = () => false) {
      const end = performance.now() + forMs;
      while (performance.now() < end && !isOver()) {
        const from = chosen(tenants, random());
        sent.push(send(stack, phase, from, random() < from.streams, sent.length));
        // Arrivals of callers who know nothing of each other. What the machine is late with is made up for, but no more than a moment's worth.
        due = Math.max(due, performance.now() - 100) + (-Math.log(1 - random()) / perSecond) * 1000;
        await sleep(Math.max(due - performance.now(), 0));
      }
    },
    settled: () => Promise.all(sent),
  };
}

function chosen(tenants: readonly Tenant[], at: number): Tenant {
  const all = tenants.reduce((sum, { share }) => sum + share, 0);
  let upTo = 0;
  const found = tenants.find(({ share }) => {
    upTo += share;
    return at * all < upTo;
  });
  if (found === undefined) throw new Error('there are no tenants');
  return found;
}

async function send(stack: Stack, phase: string, from: Tenant, stream: boolean, index: number): Promise<Sent> {
  const content = `Question ${index} of ${from.tenant}`;
  const messages = [{ role: 'user', content }];
  const [path, body] =
    from.schema === 'openai'
      ? ['/v1/chat/completions', { model: from.alias, messages, stream }]
      : ['/v1/messages', { model: from.alias, max_tokens: 100, messages, stream }];
  const began = performance.now();
  const about = { phase, from, stream };
  try {
    const response = await fetch(stack.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${from.key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
    const text = await response.text();
    const ms = performance.now() - began;
    const { status, headers } = response;
    const reading = readAnswer(from.schema, text, stream);
    return {
      ...{
        ...about,
        status,
        ms,
        ok: status === 200 && reading.ending === 'whole' && reading.text === `You said: ${content}`,
      },
      ...{ retryAfter: headers.get('retry-after'), target: headers.get('x-gateway-target') },
      ...{ attempt: Number(headers.get('x-gateway-attempt') ?? 0), requestId: headers.get('x-gateway-request-id') },
    };
  } catch {
    const ms = performance.now() - began;
    return { ...about, ok: false, status: 0, ms, retryAfter: null, target: null, attempt: 0, requestId: null };
  }
}
