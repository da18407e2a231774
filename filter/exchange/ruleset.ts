/** A policy and the gateway keys that belong to it: a request keeps both from its beginning to its end, whatever is edited meanwhile. */
import type { Credentials } from '../credentials/credentials.ts';
import type { Policy } from '../policy/compiled/policy.ts';

export class Ruleset {
  readonly policy: Policy;
  readonly credentials: Credentials;
  readonly #onUnused: () => void;
  #inUse = 0;
  #retired = false;

  /** @param onUnused once: it is retired, and the last request that began on it has ended */
  constructor(policy: Policy, credentials: Credentials, onUnused: () => void = () => undefined) {
    this.policy = policy;
    this.credentials = credentials;
    this.#onUnused = onUnused;
  }

  begin(): void {
    this.#inUse += 1;
  }

  end(): void {
    this.#inUse -= 1;
    if (this.#retired && this.#inUse === 0) this.#onUnused();
  }

  /** Another is in force. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    if (this.#inUse === 0) this.#onUnused();
  }
}
