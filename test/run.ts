/** Runs all tests in one process: fast ones first, then those on a real Redis, then on a real Envoy. Arguments are files to run instead. */
import { globSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { config } from 'chai';
import Mocha from 'mocha';
import { SummaryReporter } from './reporter.ts';

// Some hundred processes of ours are started: compiled once, one is ready in a third of the time.
process.env['NODE_COMPILE_CACHE'] = join(import.meta.dirname, '../.tools/compile-cache');
enableCompileCache(process.env['NODE_COMPILE_CACHE']);

// A failure is told in full.
config.truncateThreshold = 0;

const wanted = process.argv.slice(2);
const files =
  wanted.length > 0 ? wanted : ['unit', 'redis', 'envoy'].flatMap((suite) => globSync(`test/${suite}/**/*.test.ts`).sort());
const mocha = new Mocha({ reporter: SummaryReporter, timeout: 60_000, slow: 5_000 });
for (const file of files) mocha.addFile(file);
await mocha.loadFilesAsync();
mocha.run((failures) => {
  // A handle that a test left open would keep the process: let it show as a hang only after a while, then as a failure.
  process.exitCode = failures > 0 ? 1 : 0;
  setTimeout(() => {
    console.error('the tests left something open (a server, a process, a timer): the run cannot end by itself');
    process.exit(1);
  }, 15_000).unref();
});
