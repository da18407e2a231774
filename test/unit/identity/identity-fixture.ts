/** An Identity with clocks in the test's hand. */
import { Identity } from '../../../filter/identity/identity.ts';
import type { Presented } from '../../../filter/identity/presented.ts';
import { Tokens } from '../../../filter/identity/tokens.ts';
import type { CallerKeyId } from '../../../filter/policy/compiled/names.ts';

export interface IdentityFixture {
  readonly identity: Identity;
  readonly tokens: Tokens;
  /** Moves both clocks. */
  advance(ms: number): void;
  readonly used: Map<CallerKeyId, number>;
  readonly revokedUses: string[];
  /** Files that key sets watch. */
  readonly watched: Map<string, () => Promise<void>>;
}

export const START = Date.parse('2026-11-25T12:00:00Z');

export function makeIdentity(): IdentityFixture {
  let passed = 0;
  const now = (): number => passed;
  const wallClock = (): number => START + passed;
  const used = new Map<CallerKeyId, number>();
  const revokedUses: string[] = [];
  const watched = new Map<string, () => Promise<void>>();
  const watch = (file: string, onChange: () => Promise<void>): { close(): void } => {
    watched.set(file, onChange);
    return { close: () => void watched.delete(file) };
  };
  const tokens = new Tokens({ now, wallClock, watch, log: { info: () => undefined, warn: () => undefined } });
  const identity = new Identity({
    ...{ now, wallClock, tokens, onUse: (id, at) => void used.set(id, at) },
    onRevokedUse: ({ id }, source) => revokedUses.push(`${id} ${source}`),
  });
  return {
    ...{ identity, tokens, used, revokedUses, watched },
    advance(ms) {
      passed += ms;
    },
  };
}

export function presented(
  headers: Readonly<Record<string, string | undefined>>,
  { source = '10.0.0.1:4711', uri, subject }: { source?: string; uri?: string; subject?: string } = {},
): Presented {
  return { header: (name) => headers[name], source, certificate: { uri, subject } };
}

export const bearer = (key: string): { authorization: string } => ({ authorization: `Bearer ${key}` });
