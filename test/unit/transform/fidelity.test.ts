import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { matrices, render } from './fidelity.ts';

describe('fidelity', () => {
  it('nothing that a caller asks for is lost without a word (pitfall 27)', () => {
    const lost = matrices().flatMap(({ caller, providers, rows }) =>
      rows.flatMap(({ feature, verdicts }) =>
        verdicts.flatMap((verdict, index) => (verdict === 'LOST' ? [`${caller} -> ${providers[index]}: ${feature}`] : [])),
      ),
    );
    expect(lost).to.deep.equal([]);
  });

  it('docs/fidelity.md is what the translations do; make it with: node test/unit/transform/fidelity.ts', () => {
    expect(readFileSync(new URL('../../../docs/fidelity.md', import.meta.url), 'utf8')).to.equal(render());
  });
});
