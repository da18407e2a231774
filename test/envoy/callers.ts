/** The official SDKs, with nothing changed but base URL and key. */
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { CALLER_KEYS, type Stack } from '../stack/stack.ts';

export function openAiCaller(stack: Stack, apiKey: string = CALLER_KEYS.alpha): OpenAI {
  // Retries off: a test must see what the gateway answers the first time.
  return new OpenAI({ baseURL: `${stack.url}/v1`, apiKey, maxRetries: 0, timeout: 20_000 });
}

export function anthropicCaller(stack: Stack, apiKey: string = CALLER_KEYS.alpha): Anthropic {
  return new Anthropic({ baseURL: stack.url, apiKey, maxRetries: 0, timeout: 20_000 });
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Without an SDK: what stands on the wire. */
export async function post(
  stack: Stack,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<RawAnswer> {
  const { broke, ...answer } = await postToEnd(stack, path, body, headers);
  if (broke !== undefined) throw broke;
  return answer;
}

/**
 * The same for an answer that may break: what came until then, and what broke it. Status 0: no headers came.
 * @param onBegun the first bytes of the body are here
 */
export async function postToEnd(
  stack: Stack,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
  onBegun: () => void = () => undefined,
): Promise<RawAnswer & { readonly broke?: unknown }> {
  let status = 0;
  let received = new Headers();
  let text = '';
  try {
    const response = await fetch(stack.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${CALLER_KEYS.alpha}`, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
    ({ status, headers: received } = response);
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      if (text === '') onBegun();
      text += decoder.decode(chunk, { stream: true });
    }
    return { status, headers: received, text: text + decoder.decode() };
  } catch (broke) {
    return { status, headers: received, text, broke };
  }
}

/** A 1 x 1 PNG. */
export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC';
