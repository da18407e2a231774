/** What a process tells of its gateway keys: a real policy, real health. */
import { join } from 'node:path';
import { expect } from 'chai';
import { createWorkerView } from '../../../filter/admin/console/worker-view.ts';
import { KeyHealth } from '../../../filter/credentials/key-health.ts';
import type { CredentialName, TargetId } from '../../../filter/policy/compiled/names.ts';
import { loadPolicy } from '../../../filter/policy/load.ts';
import type { QuotaFigures } from '../../../filter/quota/quota-store.ts';
import { ROOT } from '../../stack/processes.ts';

const QUOTAS: QuotaFigures = {
  ...{ limits: 'own', held: 0, expired: 0, outages: 0, timeouts: 0 },
  ...{ queuedSettlements: 0, mergedSettlements: 0, droppedSettlements: 0 },
};

describe('a worker’s view of its keys', () => {
  it('says when a refused key is tested again, and of one that is not to be used no test', () => {
    const policy = loadPolicy(join(ROOT, 'test/demo/policy.yaml'));
    const [openai, anthropic] = ['openai', 'anthropic'] as CredentialName[];
    if (openai === undefined || anthropic === undefined) throw new Error('no names');
    const keys = new KeyHealth({
      ...{ now: () => 0, log: { error: () => undefined, info: () => undefined }, isInForce: () => true },
      after: () => undefined,
    });
    for (const name of [openai, anthropic]) {
      const key = { name, fingerprint: '0a1b2c3d' };
      keys.turnedDown(key, 'gpt-luna' as TargetId, { kind: 'refused', where: 'target', status: 403 }, 30_000);
    }
    const view = createWorkerView({
      ...{ worker: 0, policy: () => policy, inFlight: () => 0, keys, canaries: () => [] },
      policyState: () => ({ version: 'v', loadedAt: 0, edit: 'in_force', problems: [], reloads: { ok: 0, refused: 0 } }),
      health: { states: () => [], stateOf: () => 'well', pauseOf: () => undefined },
      clusters: { problems: () => [] },
      credentials: () => ({
        conditions: () => [[openai, 'refused'] as const, [anthropic, 'disabled'] as const][Symbol.iterator](),
        fingerprints: () => [openai, anthropic].map((name) => [name, '0a1b2c3d'] as const)[Symbol.iterator](),
      }),
      limits: { figures: () => [] },
      quotas: { figures: () => QUOTAS },
      auditLog: { state: 'writing', queuedBytes: 0, dropped: 0 },
    });
    const began = Date.now();
    const [refused, disabled] = view.snapshot(60_000).keys;
    expect(refused).to.deep.include({ credential: 'openai', condition: 'refused', targets: ['gpt-luna'], refusals: 1 });
    expect(refused?.until).to.be.within(began + 30_000, Date.now() + 30_000);
    expect(disabled).to.deep.include({ condition: 'disabled', until: undefined, targets: [] });
  });
});
