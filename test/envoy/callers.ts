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
  const response = await fetch(stack.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${CALLER_KEYS.alpha}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(20_000),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** A 1 x 1 PNG. */
export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC';
