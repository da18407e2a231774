/** The columns of the fault matrix: where in a chain a target fails, in which chain, and how the request was made. */
import type { Behaviour } from '../providers/script.ts';
import type { Ending, MovingOn } from './fault-kinds.ts';
import type { CallerName } from './read-answer.ts';

const LENIENT = { sampling: 'accepted', structured_output: 'native' };
const OPENAI = { schema: 'openai-chat', model: 'gpt-5.6-luna', credential: 'openai' };
const ANTHROPIC = { schema: 'anthropic-messages', model: 'claude-haiku-5-5', credential: 'anthropic' };

/** Each on a cluster, and at a mock, of its own. */
export const TARGETS = {
  'gpt-1': { cluster: 'openai', ...OPENAI },
  'gpt-2': { cluster: 'openai-2', ...OPENAI },
  'gpt-3': { cluster: 'openai-3', ...OPENAI },
  'claude-1': { cluster: 'anthropic', ...ANTHROPIC },
  'claude-2': { cluster: 'anthropic-2', ...ANTHROPIC },
  'claude-3': { cluster: 'anthropic-3', ...ANTHROPIC },
  gemini: {
    ...{ cluster: 'vertex', schema: 'gemini', model: 'gemini-3.8-flash', credential: 'vertex', capabilities: LENIENT },
    base_path: '/v1/projects/p1/locations/europe-west1/publishers/google',
  },
  bedrock: {
    ...{ cluster: 'bedrock', schema: 'bedrock-converse', model: 'eu.anthropic.claude-haiku-5-5', credential: 'aws' },
    capabilities: LENIENT,
  },
} as const;
export type TargetName = keyof typeof TARGETS;

interface Chain {
  readonly caller: CallerName;
  readonly targets: readonly [TargetName, TargetName, TargetName];
}

export const CHAINS: Readonly<Record<string, Chain>> = {
  'openai-same': { caller: 'openai', targets: ['gpt-1', 'gpt-2', 'gpt-3'] },
  'anthropic-same': { caller: 'anthropic', targets: ['claude-1', 'claude-2', 'claude-3'] },
  'openai-cross': { caller: 'openai', targets: ['claude-1', 'gemini', 'bedrock'] },
  'anthropic-cross': { caller: 'anthropic', targets: ['bedrock', 'gpt-1', 'gemini'] },
};

/** Which of the three targets fail in the way that is looked at. Those before them are overloaded. */
export const PLACES = { first: [0], middle: [1], last: [2], all: [0, 1, 2] } as const;
export type Place = keyof typeof PLACES;

/** What comes before the one that is looked at. */
export const BEFORE: MovingOn = { does: () => ({ kind: 'status', status: 529 }), reason: 'overloaded', status: 529 };
/** Of the aliases, when no provider says how long. */
export const RETRY_AFTER = 9;
export const WORDS = 'word '.repeat(40).trim();

export interface Cell {
  readonly name: string;
  readonly chainName: string;
  readonly chain: Chain;
  readonly place: Place;
  readonly stream: boolean;
  /** Stands in the request, so that the mocks know it, and in its audit record. */
  readonly mark: string;
}

let made = 0;

export function cellsOf(what: string): Cell[] {
  return Object.entries(CHAINS).flatMap(([chainName, chain]) =>
    Object.keys(PLACES).flatMap((place) =>
      [false, true].map((stream): Cell => {
        made += 1;
        const name = `${what} | ${place} | ${stream ? 'stream' : 'plain'} | ${chainName}`;
        return { name, chainName, chain, place: place as Place, stream, mark: `[cell-${made}]` };
      }),
    ),
  );
}

export interface Expected {
  /** In the order of the chain, as far as it is asked. */
  readonly attempts: readonly { readonly outcome: string; readonly status: number | null }[];
  readonly end: { readonly kind: 'answer' } | { readonly kind: 'exhausted'; readonly retryAfter: number } | Ending;
}

/** For each target of the chain; undefined: it is well. */
export function behavioursOf(
  place: Place,
  { does }: MovingOn | Ending,
  begun: () => Promise<unknown>,
): (Behaviour | 'connection refused' | undefined)[] {
  const failing: readonly number[] = PLACES[place];
  return [0, 1, 2].map((index) =>
    failing.includes(index) ? does(begun) : index < Math.min(...failing) ? BEFORE.does(begun) : undefined,
  );
}

export function seen({ reason, status }: MovingOn): Expected['attempts'][number] {
  return { outcome: reason, status: status ?? null };
}

export function afterFailures(place: Place, kind: MovingOn): Expected {
  const failing: readonly number[] = PLACES[place];
  const attempts = [0, 1, 2]
    .slice(0, Math.max(...failing) + 1)
    .map((index) => seen(failing.includes(index) ? kind : BEFORE));
  if (attempts.length < 3) return { attempts: [...attempts, { outcome: 'ok', status: 200 }], end: { kind: 'answer' } };
  return { attempts, end: { kind: 'exhausted', retryAfter: kind.retryAfter ?? RETRY_AFTER } };
}
