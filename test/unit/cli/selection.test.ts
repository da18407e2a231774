import { expect } from 'chai';
import { timeOf, UsageError } from '../../../filter/cli/selection.ts';

describe('times that commands take', () => {
  const zone = process.env['TZ'];
  before(() => {
    process.env['TZ'] = 'America/New_York';
  });
  after(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });

  it('are of UTC, wherever the command runs', () => {
    const noon = Date.UTC(2026, 10, 25, 12);
    for (const text of ['2026-11-25T12:00', '2026-11-25 12:00:00', '2026-11-25T12:00:00.000Z', '2026-11-25T13:00:00+01:00'])
      expect(timeOf('--at', text), text).to.equal(noon);
    expect(timeOf('--at', '2026-11-25')).to.equal(Date.UTC(2026, 10, 25));
    expect(timeOf('--at', '2028-02-29')).to.equal(Date.UTC(2028, 1, 29));
  });

  it('are nothing that could be taken for another', () => {
    for (const text of [
      '7',
      '12',
      '2026-11',
      '11/25/2026',
      '2026-13-01',
      '2026-02-30',
      '2027-02-29T12:00:00Z',
      'Nov 25 2026',
      '2026-11-25T12',
      '',
    ])
      expect(() => timeOf('--since', text), text).to.throw(UsageError, '--since: expected 7d, 24h');
  });
});
