import { expect } from 'chai';
import { outage } from '../demo/outage.ts';

describe('an outage of the primary, through Envoy', () => {
  it('is seen by no caller; the sick target gets probes alone, and the traffic returns by itself', async function () {
    this.timeout(120_000);
    const requests = 200;
    const phases = await outage({ requests });
    for (const { name, succeeded } of phases) expect(succeeded, name).to.equal(requests);
    const [before, outbreak, later, ...recovery] = phases;
    expect(before?.answeredBy).to.deep.equal({ 'gpt-luna': requests });
    // Those who were under way when it broke out, and probes.
    expect(outbreak?.primaryAsked).to.be.within(5, 60);
    expect(later?.primaryAsked).to.be.at.most(8);
    expect(later?.answeredBy['claude-haiku']).to.equal(requests);
    expect(recovery.at(-1)?.answeredBy).to.deep.equal({ 'gpt-luna': requests });
  });
});
