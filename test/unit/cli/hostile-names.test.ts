/** What callers name, in front of spreadsheets and terminals. */
import { expect } from 'chai';
import { csvRow } from '../../../filter/cli/audit-csv.ts';
import { table } from '../../../filter/cli/table.ts';

describe('names that callers make', () => {
  it('are no formulas in a spreadsheet, whatever it takes for the end of a cell', () => {
    const cells = ['=1', ' +1', '@x', '-x', '\t=1', '\n=1', '＝1', 'a;=1', 'a;  =1', 'a\r=1', 'a\t@x'].map((name) =>
      csvRow([name]).trimEnd(),
    );
    for (const cell of cells) expect(cell).to.match(/^"?(?:[\s\S]*[;\s])?'[=+\-@＝]/);
    expect(csvRow(['a-b', 'c=d', 'a; b', '-1.5', -2])).to.equal('a-b,c=d,a; b,-1.5,-2\r\n');
  });

  it('are no commands to a terminal', () => {
    expect(
      table(['name'], [['\u001b[2J\u009b1m\r\n\u202eevil']])
        .split('\n')
        .slice(2),
    ).to.deep.equal(['?[2J?1m???evil']);
  });
});
