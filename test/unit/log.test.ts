/** What an operator reads when something fails. */
import { expect } from 'chai';
import { openLog } from '../../filter/log.ts';

describe('the log', () => {
  it('tells an error: its name, words, code and place, and nothing that a library has hung onto it', () => {
    const lines: string[] = [];
    const log = openLog(2, { write: (line) => lines.push(line) });
    const error = Object.assign(new Error('the disk is full', { cause: new TypeError('a cause') }), {
      code: 'ENOSPC',
      request: { headers: { authorization: 'Bearer secret' } },
    });
    log.error({ error, requestId: 'req_1' }, 'it failed');
    log.error({ error: 'refused' }, 'in words');
    const [told, inWords] = lines.map((line) => JSON.parse(line));
    expect(told).to.deep.include({ process: 'filter', worker: 2, requestId: 'req_1', msg: 'it failed' });
    expect(told.error).to.deep.include({ message: 'the disk is full', code: 'ENOSPC', cause: 'TypeError: a cause' });
    expect(told.error.stack).to.include('log.test.ts');
    expect(lines.join('')).not.to.include('secret');
    expect(inWords.error).to.equal('refused');
  });
});
