/** Gateway keys as Prometheus sees them: names out of the policy, and words of a closed set. */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface KeyMetricsSources {
  /** The state of every gateway key of the policy, in one word. */
  readonly keyConditions: () => Iterable<readonly [credential: string, state: string]>;
  /** How often providers refused a gateway key. */
  readonly keyRefusals: () => Iterable<readonly [credential: string, count: number]>;
}

export function addKeyMetrics(registry: Registry, { keyConditions, keyRefusals }: KeyMetricsSources): void {
  const registers = [registry];
  new Gauge({
    name: 'gateway_credential_state',
    help: '1 for the state that a gateway key is in; refused and cooling by what a provider said of it.',
    labelNames: ['credential', 'state'],
    aggregator: 'max',
    registers,
    collect() {
      this.reset();
      for (const [credential, state] of keyConditions()) this.set({ credential, state }, 1);
    },
  });
  new Counter({
    name: 'gateway_credential_refusals_total',
    help: 'Times that a provider refused a gateway key, or wanted money for it.',
    labelNames: ['credential'],
    registers,
    collect() {
      this.reset();
      for (const [credential, count] of keyRefusals()) this.inc({ credential }, count);
    },
  });
}
