/**
 * `node filter/cli/check.ts --policy FILE --clusters DIR [--publish FILE]`: says what does not fit before it is live. Exit code 1 when something does not;
 * warnings change nothing.
 * With --publish what fits goes live: the joined cluster files take the place of the one that Envoy watches.
 */
import { parseArgs } from 'node:util';
import { checkConfiguration } from './configuration.ts';
import { publishClusters } from './publish.ts';

const USAGE = 'usage: node filter/cli/check.ts --policy FILE --clusters DIR [--publish FILE]';

try {
  const { values } = parseArgs({
    options: { policy: { type: 'string' }, clusters: { type: 'string' }, publish: { type: 'string' } },
  });
  if (values.policy === undefined || values.clusters === undefined)
    throw new Error('both --policy and --clusters are needed');
  const { problems, warnings, summary } = checkConfiguration(values.policy, values.clusters);
  for (const problem of problems) console.error(problem);
  for (const warning of warnings) console.error(`warning: ${warning}`);
  if (problems.length === 0) console.log(`ok: ${summary}`);
  if (problems.length === 0 && values.publish !== undefined)
    console.log(`${values.publish}: ${publishClusters(values.clusters, values.publish)}`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exitCode = 2;
}
