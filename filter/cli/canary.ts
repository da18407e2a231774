/**
 * `node filter/cli/canary.ts start|stop|promote|status`: an edit of the policy file, or a look at a running filter.
 *
 * start: gives an alias a canary, another share of callers, or another run after it was stopped by itself. stop: nobody is in its slice any more.
 * promote: its target takes the place of the chain's first step. The file keeps its comments; it is checked before it takes the old one's place, and a running
 * filter takes it within a second.
 */
import { parseArgs } from 'node:util';
import { editCanary } from './canary-edit.ts';
import { readCanaries } from './canary-status.ts';
import { table } from './table.ts';

const USAGE = `usage: node filter/cli/canary.ts start --policy FILE --alias NAME [--target T] [--percent P]
       node filter/cli/canary.ts stop|promote --policy FILE --alias NAME
       node filter/cli/canary.ts status --admin URL`;

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ...{ policy: { type: 'string' }, alias: { type: 'string' }, target: { type: 'string' } },
      ...{ percent: { type: 'string' }, admin: { type: 'string' } },
    },
  });
  const [action] = positionals;
  const { policy, alias, target, percent, admin } = values;
  if (action === 'status') {
    if (admin === undefined) throw new Error('--admin is needed: the address of a filter, such as http://127.0.0.1:10080');
    const rows = await readCanaries(admin);
    console.log(
      rows.length === 0
        ? 'no alias has a canary'
        : table(['alias', 'target', 'state', 'slice', 'first attempts', 'failed'], rows),
    );
  } else {
    if (policy === undefined || alias === undefined) throw new Error('--policy and --alias are needed');
    switch (action) {
      case 'start':
        console.log(editCanary(policy, alias, { kind: 'start', target, percent: percentOf(percent) }));
        break;
      case 'stop':
      case 'promote':
        console.log(editCanary(policy, alias, { kind: action }));
        break;
      default:
        throw new Error(action === undefined ? 'say what to do' : `no command ${JSON.stringify(action)}`);
    }
  }
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exitCode = 2;
}

function percentOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const percent = Number(text);
  if (text.trim() === '' || !(percent >= 0 && percent <= 100)) throw new Error('--percent takes a number from 0 to 100');
  return percent;
}
