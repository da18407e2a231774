/** Alert rules by Prometheus's own tool: are they rules, and when do they fire? */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../stack/processes.ts';

const ALERTS = join(ROOT, 'charts/alerts');

/** @returns what it printed; the exit code is expected to be 0 */
function promtool(...args: string[]): string {
  const own = join(ROOT, '.tools/promtool');
  const binary = process.env['PROMTOOL_BIN'] ?? (existsSync(own) ? own : 'promtool');
  const { status, stdout, stderr, error } = spawnSync(binary, args, { encoding: 'utf8' });
  if (error !== undefined)
    throw new Error(`promtool cannot be run (${error.message}): make setup gets it, or PROMTOOL_BIN names one`);
  expect(status, `${stdout}${stderr}`).to.equal(0);
  return stdout;
}

describe('alert rules, by promtool', () => {
  it('are rules', () => {
    expect(promtool('check', 'rules', join(ALERTS, 'model-gateway.yaml'))).to.match(/SUCCESS: \d\d rules found/);
  });

  it('fire when they should, and not when they should not', () => {
    expect(promtool('test', 'rules', join(ALERTS, 'model-gateway.test.yaml'))).to.contain('SUCCESS');
  });
});
