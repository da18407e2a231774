/** What is told of callers that could not be identified, and of their keys. No label holds anything that a caller sent. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { CallerKey } from '../policy/compiled/caller.ts';

export interface IdentitySources {
  readonly failures: () => Iterable<readonly [reason: string, count: number]>;
  /** Addresses that are refused now. */
  readonly blockedParties: () => number;
  readonly keySetAges: () => Iterable<readonly [source: string, ageMs: number | undefined]>;
  readonly keys: () => {
    readonly edit: 'in_force' | 'refused';
    readonly keys: Iterable<Pick<CallerKey, 'expiresAt' | 'revokedAt'>>;
    readonly unresolved: number;
    readonly revokedElsewhere: number;
  };
  readonly knownRevocations: () => number;
  /** Since Redis was heard on revocations; undefined: there is none. */
  readonly feedAgeMs: (() => number) | undefined;
  /** Milliseconds since the epoch. */
  readonly wallClock: () => number;
}

export function registerIdentityMetrics(registry: Registry, sources: IdentitySources): void {
  const registers = [registry];
  new Counter({
    name: 'gateway_identity_failures_total',
    help: 'Requests whose caller was not identified or not let in, by reason.',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset();
      for (const [reason, count] of sources.failures()) this.inc({ reason }, count);
    },
  });
  new Gauge({
    name: 'gateway_identity_blocked_addresses',
    help: 'Addresses that are refused now for too many failures.',
    aggregator: 'max',
    registers,
    collect() {
      this.set(sources.blockedParties());
    },
  });
  new Gauge({
    name: 'gateway_caller_keys',
    help: 'Issued caller keys by state; unresolved ones ask of the policy what it does not have.',
    labelNames: ['state'],
    aggregator: 'max',
    registers,
    collect() {
      const { keys, unresolved } = sources.keys();
      const now = sources.wallClock();
      const counts = { active: 0, expired: 0, revoked: 0, unresolved };
      for (const { expiresAt, revokedAt } of keys) {
        if (revokedAt !== undefined && revokedAt <= now) counts.revoked += 1;
        else if (expiresAt !== undefined && expiresAt <= now) counts.expired += 1;
        else counts.active += 1;
      }
      for (const [state, count] of Object.entries(counts)) this.set({ state }, count);
    },
  });
  new Gauge({
    name: 'gateway_caller_keys_edit_refused',
    help: '1 while the file of caller keys cannot be used and the keys before stay in force.',
    aggregator: 'max',
    registers,
    collect() {
      this.set(sources.keys().edit === 'refused' ? 1 : 0);
    },
  });
  new Gauge({
    name: 'gateway_revocations_known',
    help: 'Revocations that were heard of, and stay in force whatever the file of caller keys says.',
    aggregator: 'max',
    registers,
    collect() {
      this.set(sources.knownRevocations());
    },
  });
  new Gauge({
    name: 'gateway_revocations_missing_in_file',
    help: 'Caller keys that were revoked elsewhere, of which the file of caller keys does not say so.',
    aggregator: 'max',
    registers,
    collect() {
      this.set(sources.keys().revokedElsewhere);
    },
  });
  const { feedAgeMs } = sources;
  if (feedAgeMs !== undefined)
    new Gauge({
      name: 'gateway_revocation_feed_age_seconds',
      help: 'Since Redis was last heard on revocations; absent: there is no Redis.',
      aggregator: 'max',
      registers,
      collect() {
        this.set(feedAgeMs() / 1000);
      },
    });
  new Gauge({
    name: 'gateway_jwks_age_seconds',
    help: "Since an issuer's keys were last read, 0 for a file that has not changed since; absent: never yet.",
    labelNames: ['source'],
    aggregator: 'max',
    registers,
    collect() {
      this.reset();
      for (const [source, ageMs] of sources.keySetAges()) if (ageMs !== undefined) this.set({ source }, ageMs / 1000);
    },
  });
}
