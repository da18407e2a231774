/** Issued caller keys: their file is read, watched and exchanged by itself, so that a revocation waits for nothing else. */
import type { Logger } from 'pino';
import { type CompiledKeys, compileKeys, type KeyFile, readKeyFile } from './policy/caller-keys.ts';
import type { CallerKey } from './policy/compiled/caller.ts';
import type { CallerKeyId } from './policy/compiled/names.ts';
import type { Policy } from './policy/compiled/policy.ts';
import { PolicyError } from './policy/load.ts';
import { type FileWatch, watchFile } from './policy/watch.ts';

export interface KeyStoreState {
  /** The file says something that is not in force. */
  readonly edit: 'in_force' | 'refused';
  readonly keys: Iterable<CallerKey>;
  /** Keys that ask of the policy what it does not have. */
  readonly unresolved: number;
  /** Keys that were revoked elsewhere, of which the file does not say so. */
  readonly revokedElsewhere: number;
}

export interface KeyStore {
  /** @throws PolicyError when a policy names a file that cannot be used, and there is no good state of it from before */
  check(policy: Policy): void;
  /** This policy comes into force. */
  follow(policy: Policy): Promise<void>;
  /** Looks at the file now. */
  look(): Promise<void>;
  /** Other keys are revoked elsewhere than before. */
  reviseRevoked(): Promise<void>;
  state(): KeyStoreState;
  close(): void;
}

export interface KeyStoreOptions {
  readonly log: Logger;
  /** Called whenever policy or keys are others than before. */
  readonly onExchange: (policy: Policy, compiled: CompiledKeys) => Promise<void>;
  /** Was it revoked elsewhere? It is revoked, then, whatever the file says. */
  readonly isRevoked: (id: CallerKeyId) => boolean;
}

const NONE: CompiledKeys = { keys: new Map(), unresolved: [] };

export function openKeyStore({ log, onExchange, isRevoked }: KeyStoreOptions): KeyStore {
  let policy: Policy | undefined;
  let path: string | undefined;
  /** The last good one. */
  let file: KeyFile | undefined;
  /** As the file says. */
  let written = NONE;
  let compiled = NONE;
  let revokedElsewhere = 0;
  let refused: string | undefined;
  let told = '';
  let watch: FileWatch | undefined;

  const revise = async (): Promise<void> => {
    if (policy === undefined) return;
    const revoked = [...written.keys].filter(([, { id }]) => isRevoked(id));
    revokedElsewhere = revoked.filter(([, { revokedAt }]) => revokedAt === undefined).length;
    const keys = new Map(written.keys);
    // Since ever: whoever revoked them may have another clock.
    for (const [hash, key] of revoked) keys.set(hash, Object.freeze({ ...key, revokedAt: 0 }));
    compiled = revoked.length === 0 ? written : { ...written, keys };
    await onExchange(policy, compiled);
  };
  const exchange = async (): Promise<void> => {
    if (policy === undefined) return;
    written = file === undefined ? NONE : compileKeys(file, policy);
    const unresolved = written.unresolved.join('\n');
    if (unresolved !== told && unresolved !== '')
      log.warn({ problems: written.unresolved }, 'caller keys ask of the policy what it does not have; they can do less');
    told = unresolved;
    await revise();
  };
  const read = async (): Promise<void> => {
    if (path === undefined) return;
    let next: KeyFile;
    try {
      next = readKeyFile(path);
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      if (error.message === refused) return;
      refused = error.message;
      log.error({ problems: refused.split('\n') }, 'the file of caller keys cannot be used; the keys before stay in force');
      return;
    }
    const isSame = file !== undefined && next.text === file.text;
    if (refused !== undefined) log.info('the file of caller keys is good again');
    refused = undefined;
    if (isSame) return;
    file = next;
    const before = compiled.keys.size;
    await exchange();
    log.info({ keys: compiled.keys.size, before }, 'other caller keys are in force');
  };
  return {
    check({ callerKeysFile }) {
      if (callerKeysFile !== undefined && (callerKeysFile !== path || file === undefined)) readKeyFile(callerKeysFile);
    },
    async follow(next) {
      // Read before anything is exchanged: what throws here has changed nothing.
      const other = next.callerKeysFile === path ? undefined : { path: next.callerKeysFile };
      const keyFile = other?.path === undefined ? undefined : readKeyFile(other.path);
      policy = next;
      if (other !== undefined) {
        watch?.close();
        path = other.path;
        file = keyFile;
        refused = undefined;
        watch = path === undefined ? undefined : watchFile(path, read);
      }
      await exchange();
      // What was written between the reading and the beginning of the watch.
      await watch?.look();
    },
    look: async () => watch?.look(),
    reviseRevoked: revise,
    state: () => ({
      edit: refused === undefined ? 'in_force' : 'refused',
      keys: compiled.keys.values(),
      unresolved: compiled.unresolved.length,
      revokedElsewhere,
    }),
    close: () => watch?.close(),
  };
}
