/** Canaries that were stopped stay so when the process is started again: files keep them. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { isObject, type Json } from './json.ts';
import type { Policy } from './policy/compiled/policy.ts';
import type { CanarySlice, CanaryStop, CanaryWatch } from './routing/canary.ts';
import type { CanaryArm } from './routing/canary-arm.ts';

export interface CanaryStopFiles {
  read(): CanaryStop[];
  add(stop: CanaryStop): void;
}

/** Several processes of one place share the folder. Every stop has a file of its own, so that two of one moment do not write over each other. */
export function canaryStopFiles(directory: string, log: Pick<Logger, 'error'>): CanaryStopFiles {
  const folder = join(directory, 'canary-stops');
  const fileOf = ({ id }: CanaryStop): string => join(folder, `${encodeURIComponent(id)}.json`);
  const readFile = (path: string): CanaryStop[] => {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch {
      return [];
    }
    try {
      const parsed: Json = JSON.parse(text);
      return (Array.isArray(parsed) ? parsed : [parsed]).filter(isStop);
    } catch (error) {
      log.error({ error, path }, 'the file of a stopped canary cannot be read; it may run again');
      return [];
    }
  };
  const kept = (): CanaryStop[] => {
    let names: string[];
    try {
      names = readdirSync(folder);
    } catch {
      return [];
    }
    return names.filter((name) => name.endsWith('.json')).flatMap((name) => readFile(join(folder, name)));
  };
  return {
    // Releases before this one kept all in one file.
    read: () => [...readFile(join(directory, 'canary-stops.json')), ...kept()],
    add(stop) {
      try {
        mkdirSync(folder, { recursive: true, mode: 0o750 });
        const path = fileOf(stop);
        const temporary = `${path}.${process.pid}`;
        writeFileSync(temporary, `${JSON.stringify(stop, undefined, 1)}\n`, { mode: 0o640 });
        renameSync(temporary, path);
        const old = kept().toSorted((a, b) => (a.time < b.time ? 1 : -1));
        for (const gone of old.slice(MAX_KEPT)) rmSync(fileOf(gone), { force: true });
      } catch (error) {
        log.error({ error, folder }, 'a stopped canary cannot be kept; it runs again when the process is started again');
      }
    },
  };
}

const MAX_KEPT = 100;

function isStop(value: Json): value is CanaryStop & Json {
  return isObject(value) && ['id', 'alias', 'time'].every((field) => typeof value[field] === 'string');
}

export function canaryIds({ aliases }: Policy): Set<string> {
  return new Set([...aliases.values()].flatMap(({ canary }) => (canary === undefined ? [] : [canary.id])));
}

export interface CanaryView {
  readonly alias: string;
  readonly target: string;
  readonly share: number;
  readonly state: 'running' | 'stopped';
  /** Which of its bounds it left. */
  readonly stop: CanaryStop | undefined;
  readonly arms: Readonly<Record<CanarySlice, CanaryArm>> | undefined;
}

/** The canaries of the policy in force. */
export function canariesOf({ aliases }: Policy, watch: CanaryWatch): CanaryView[] {
  return [...aliases.values()].flatMap(({ name, canary }) => {
    if (canary === undefined) return [];
    const stop = watch.stopOf(canary);
    const { target, share } = canary;
    const state = stop === undefined ? 'running' : 'stopped';
    return [{ alias: name, target: target.id, share, state, stop, arms: watch.arms(canary) } as const];
  });
}
