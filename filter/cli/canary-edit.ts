/** Edits of an alias's canary in the policy file, which keeps its comments. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Document, isMap, isSeq, parseDocument } from 'yaml';
import { loadPolicy } from '../policy/load.ts';

export type CanaryEdit =
  | { readonly kind: 'start'; readonly target: string | undefined; readonly percent: number | undefined }
  | { readonly kind: 'stop' | 'promote' };

/** @returns what was done, in words @throws PolicyError when the file would not be a good policy: then it stays as it was */
export function editCanary(file: string, alias: string, edit: CanaryEdit): string {
  const document = parseDocument(readFileSync(file, 'utf8'));
  if (!isMap(document.getIn(['aliases', alias]))) throw new Error(`${file} has no alias ${JSON.stringify(alias)}`);
  const done = change(document, alias, edit);
  // In the same folder: files that the policy names are found from there.
  const draft = join(dirname(file), `.${basename(file)}.draft`);
  const handle = openSync(draft, 'w', statSync(file).mode & 0o777);
  try {
    writeSync(handle, document.toString({ lineWidth: 0, flowCollectionPadding: false }));
    fsyncSync(handle);
    loadPolicy(draft);
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  } finally {
    closeSync(handle);
  }
  return done;
}

function change(document: Document, alias: string, edit: CanaryEdit): string {
  const at = ['aliases', alias, 'canary'];
  const has = isMap(document.getIn(at));
  if (edit.kind === 'start') {
    const target = edit.target ?? document.getIn([...at, 'target']);
    if (typeof target !== 'string')
      throw new Error(`${alias} has no canary yet: say which target with --target, and how many callers with --percent`);
    const percent = edit.percent ?? document.getIn([...at, 'percent']);
    if (typeof percent !== 'number') throw new Error('say how many callers with --percent');
    if (!has) document.setIn(at, document.createNode({}));
    document.setIn([...at, 'target'], target);
    document.setIn([...at, 'percent'], percent);
    document.deleteIn([...at, 'state']);
    // Another run is another canary: one that was stopped by itself runs again.
    document.setIn([...at, 'run'], Number(document.getIn([...at, 'run']) ?? 0) + 1);
    return `${alias}: ${percent} % of its callers are given ${target} first`;
  }
  if (!has) throw new Error(`${alias} has no canary`);
  if (edit.kind === 'stop') {
    document.setIn([...at, 'state'], 'stopped');
    return `${alias}: its canary is stopped`;
  }
  const target = String(document.getIn([...at, 'target']));
  const chain = document.getIn(['aliases', alias, 'chain'], true);
  if (!isSeq(chain)) throw new Error(`aliases.${alias}.chain is not a list`);
  const [before] = chain.toJSON() as unknown[];
  document.setIn(['aliases', alias, 'chain', 0], target);
  document.deleteIn(at);
  return `${alias}: ${target} leads its chain now, in the place of ${[before].flat().join(', ')}`;
}
