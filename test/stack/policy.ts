/** The demo's policy with changes that a test needs: shorter times, more aliases. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { PolicyDocument } from '../../filter/policy/document.ts';
import { ROOT } from './processes.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] extends object | undefined ? Writable<T[K]> : T[K] };

/** @returns path of the changed policy */
export function changedPolicy(change: (policy: Writable<PolicyDocument>) => void): string {
  const policy: Writable<PolicyDocument> = parse(readFileSync(join(ROOT, 'test/demo/policy.yaml'), 'utf8'));
  change(policy);
  return written(policy);
}

/** Stand-ins of one provider take one key: every key may go to all clusters whose targets name it. */
export function shareKeys({ credentials = {}, targets }: Writable<PolicyDocument>): void {
  for (const [name, key] of Object.entries(credentials)) {
    const users = Object.values(targets).filter(({ credential }) =>
      typeof credential === 'string' ? credential === name : credential?.includes(name),
    );
    const clusters = new Set(users.map(({ cluster }) => cluster));
    if (key !== undefined && clusters.size > 1) key.clusters = [...clusters];
  }
}

/** @returns path of the same policy, with every alias keeping its chain's order unless it says otherwise */
export function withFixedOrder(path: string): string {
  const policy: Writable<PolicyDocument> = parse(readFileSync(path, 'utf8'));
  for (const alias of Object.values(policy.aliases ?? {})) alias.order ??= 'fixed';
  return written(policy);
}

function written(policy: Writable<PolicyDocument>): string {
  const path = join(mkdtempSync(join(tmpdir(), 'policy-')), 'policy.yaml');
  writeFileSync(path, stringify(policy));
  return path;
}
