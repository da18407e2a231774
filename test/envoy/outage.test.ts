/** An outage of the primary, through Envoy: nobody notices who need not, and it ends by itself. */
import { expect } from 'chai';
import { outage } from '../demo/outage.ts';
import { isRefusal, movesOf, reportOf } from '../demo/report.ts';
import { isAlone, type Outage, PRIMARY } from '../demo/scenario.ts';
import type { Sent } from '../demo/traffic.ts';

const of = ({ sent }: Outage, ...names: readonly string[]): Sent[] => sent.filter(({ phase }) => names.includes(phase));

for (const seed of [1, 20_261_125]) {
  describe(`an outage of the primary, through Envoy, seed ${seed}`, () => {
    let result: Outage;
    before(async function () {
      this.timeout(90_000);
      result = await outage({ seed, perSecond: 150, beforeMs: 1_500, outageMs: 4_000, afterMs: 1_000 });
    });

    it('is seen by no caller that has somebody else: every answer is whole', () => {
      const others = result.sent.filter(({ from }) => !isAlone(from.alias));
      expect(others.length).to.be.greaterThan(500);
      expect(
        others.filter(({ ok }) => !ok).map(({ phase, status, from }) => `${phase} ${from.tenant} ${status}`),
      ).to.deep.equal([]);
      expect(of(result, 'before').every(({ target }) => target === PRIMARY)).to.equal(true);
      expect(new Set(of(result, 'outbreak', 'outage').map(({ from }) => from.tenant)).size).to.equal(5);
    });

    it('callers that take no lesser answer get an equal’s, or an honest no', () => {
      const sick = of(result, 'outbreak', 'outage');
      const legal = sick.filter(({ from }) => from.alias === 'contracts');
      expect(new Set(legal.map(({ target }) => target))).to.deep.equal(new Set(['gpt-terra']));
      const court = sick.filter(({ from }) => isAlone(from.alias));
      expect(court.length).to.be.greaterThan(0);
      for (const one of court) expect(isRefusal(one), `${one.status}`).to.equal(true);
      for (const { alias, degraded, outcome } of result.records)
        if (alias !== 'product') expect(degraded, `${alias} ${outcome}`).to.equal(outcome === 'ok' ? false : null);
    });

    it('the sick target gets the first victims, and then probes alone', () => {
      const asked = (name: string): number => {
        const { from = 0, to = 0 } = result.phases.find((phase) => phase.name === name) ?? {};
        return result.primaryAsked.filter(({ at, tenant }) => at >= from && at < to && tenant !== 'court').length;
      };
      // Half of its latest twenty attempts must fail; those under way come on top.
      expect(asked('outbreak')).to.be.within(5, 75);
      // One after 1 s, and each pause is twice the one before.
      expect(asked('outage')).to.be.within(1, 3);
      expect(of(result, 'outage').length).to.be.greaterThan(200);
    });

    it('the traffic returns by itself, in steps', () => {
      expect(of(result, 'after').map(({ target }) => target)).to.deep.equal(Array(of(result, 'after').length).fill(PRIMARY));
      const states = result.states.map(({ state }) => state);
      expect(states[0]).to.equal('well');
      expect(states.at(-1)).to.equal('well');
      expect(states).to.include('down');
      expect(states.lastIndexOf('recovering')).to.be.greaterThan(states.lastIndexOf('down'));
      const back = of(result, 'recovery').filter(({ target }) => target === PRIMARY).length;
      expect(back).to.be.within(15, of(result, 'recovery').length / 2);
    });

    it('every request has one record, and the records tell who was moved where', () => {
      const ids = result.records.map(({ request_id }) => request_id);
      expect(new Set(ids).size).to.equal(ids.length);
      expect(new Set(ids)).to.deep.equal(new Set(result.sent.map(({ requestId }) => requestId)));
      const moves = movesOf(result.records);
      const moved = result.sent.filter(({ target }) => target !== PRIMARY).length;
      expect(moves.reduce((sum, { requests }) => sum + requests, 0)).to.equal(moved);
      for (const tenant of ['shop', 'support', 'research'])
        expect(
          moves.some((move) => move.tenant === tenant && move.to === 'claude-haiku' && move.degraded === 'yes'),
        ).to.equal(true);
      expect(moves.filter(({ tenant }) => tenant === 'court').every(({ to }) => to === 'refused')).to.equal(true);
      expect(reportOf(result).text).to.contain('overloaded (529)').and.contain('unwell, not asked');
    });
  });
}
