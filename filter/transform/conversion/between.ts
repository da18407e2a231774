/**
 * One caller schema joined with one provider schema: how a request gets there and its answer comes back. The exchange sees
 * this face alone, whichever schemas meet behind it.
 *
 *   same schema      the bytes pass; only what must change is changed, and a tap reads what audit needs
 *   other schema     caller -> unified -> provider, and back
 */
import type { CallerSchema, ProviderSchema } from '../schema.ts';
import type { Conversion } from './conversion.ts';
import { countTokens } from './count-tokens.ts';
import { embeddings } from './embeddings.ts';
import { passThrough } from './pass-through.ts';
import { PassingChat } from './passing-chat.ts';
import { TranslatingChat } from './translating-chat.ts';

const known = new WeakMap<CallerSchema, WeakMap<ProviderSchema, Conversion | 'none'>>();

/** @returns undefined when the provider schema lacks what this caller is about (say, embeddings) */
export function conversionBetween(caller: CallerSchema, provider: ProviderSchema): Conversion | undefined {
  let ofCaller = known.get(caller);
  if (ofCaller === undefined) {
    ofCaller = new WeakMap();
    known.set(caller, ofCaller);
  }
  let found = ofCaller.get(provider);
  if (found === undefined) {
    found = join(caller, provider) ?? 'none';
    ofCaller.set(provider, found);
  }
  return found === 'none' ? undefined : found;
}

function join(caller: CallerSchema, provider: ProviderSchema): Conversion | undefined {
  switch (caller.operation) {
    case 'chat': {
      const { chat } = provider;
      if (chat === undefined) return undefined;
      return chat.native?.caller === caller.name
        ? new PassingChat(caller, chat, chat.native)
        : new TranslatingChat(caller, chat);
    }
    case 'count_tokens':
      return provider.countTokens === undefined ? undefined : countTokens(caller, provider.countTokens);
    case 'embeddings':
      return provider.embeddings === undefined ? undefined : embeddings(caller, provider.embeddings);
    case 'pass_through':
      return provider.passThrough === undefined ? undefined : passThrough(caller, provider.passThrough);
  }
}
