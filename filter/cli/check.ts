/** `node filter/cli/check.ts --policy FILE --clusters DIR`: says what does not fit before it is live. Exit code 1 when something does not. */
import { parseArgs } from 'node:util';
import { checkConfiguration } from './configuration.ts';

const USAGE = 'usage: node filter/cli/check.ts --policy FILE --clusters DIR';

try {
  const { values } = parseArgs({ options: { policy: { type: 'string' }, clusters: { type: 'string' } } });
  if (values.policy === undefined || values.clusters === undefined)
    throw new Error('both --policy and --clusters are needed');
  const { problems, summary } = checkConfiguration(values.policy, values.clusters);
  for (const problem of problems) console.error(problem);
  if (problems.length === 0) console.log(`ok: ${summary}`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exitCode = 2;
}
