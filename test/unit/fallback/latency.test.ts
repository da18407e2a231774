import { expect } from 'chai';
import { TargetLatency } from '../../../filter/fallback/latency.ts';
import type { TargetId } from '../../../filter/policy/compiled/names.ts';

describe('latency of targets', () => {
  it('keeps nothing of a target that is no more, whatever requests that began before still tell', () => {
    const [gone, here] = ['gone', 'here'] as TargetId[];
    if (gone === undefined || here === undefined) throw new Error('two names');
    const targets = new Set([gone, here]);
    const latency = new TargetLatency((id) => targets.has(id));
    const note = (id: TargetId): void => {
      for (let count = 0; count < 8; count++) latency.note(id, 'plain', 100);
    };
    note(gone);
    note(here);
    expect(latency.of(gone, 'plain')).to.deep.equal({ p50Ms: 100, p95Ms: 100 });
    targets.delete(gone);
    latency.forget(new Set([gone]));
    note(gone);
    // It is another one when it comes back.
    targets.add(gone);
    expect(latency.of(gone, 'plain')).to.equal(undefined);
    expect(latency.of(here, 'plain')).to.deep.equal({ p50Ms: 100, p95Ms: 100 });
  });
});
