/**
 * Runs all tests, two files at a time: fast ones first, then those on a real Redis, then on a real Envoy. Arguments are files to run instead, one after the
 * other, each test told as it ends.
 */
import { globSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import Mocha from 'mocha';
import { SummaryReporter } from './reporter.ts';

// Some hundred processes of ours are started: compiled once, one is ready in a third of the time.
process.env['NODE_COMPILE_CACHE'] = join(import.meta.dirname, '../.tools/compile-cache');
enableCompileCache(process.env['NODE_COMPILE_CACHE']);

const SETUP = join(import.meta.dirname, 'file-setup.ts');
const wanted = process.argv.slice(2);
const common: Mocha.MochaOptions = { reporter: SummaryReporter, timeout: 60_000, slow: 5_000 };
const mocha =
  wanted.length > 0
    ? new Mocha({ ...common, rootHooks: (await import('./file-setup.ts')).mochaHooks })
    : // Much of the time is waited for: a back-off, a lease that runs out.
      new Mocha({ ...common, parallel: true, jobs: 2, require: [SETUP] });
const files =
  wanted.length > 0 ? wanted : ['unit', 'redis', 'envoy'].flatMap((suite) => globSync(`test/${suite}/**/*.test.ts`).sort());
for (const file of files) mocha.addFile(file);
if (wanted.length > 0) await mocha.loadFilesAsync();
mocha.run((failures) => {
  process.exitCode = failures > 0 ? 1 : 0;
  // What was left open has failed by then, and shall not keep the run.
  setTimeout(() => process.exit(), 2_000).unref();
});
