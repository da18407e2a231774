/** Canaries that were stopped stay so when the process is started again: a file keeps them. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { isObject, type Json } from './json.ts';
import type { Policy } from './policy/policy.ts';
import type { CanarySlice, CanaryStop, CanaryWatch } from './routing/canary.ts';
import type { CanaryArm } from './routing/canary-arm.ts';

export interface CanaryStopFile {
  read(): CanaryStop[];
  add(stop: CanaryStop): void;
}

/** Several processes of one place share the file; each writes what it has stopped beside what stands there. */
export function canaryStopFile(directory: string, log: Logger): CanaryStopFile {
  const path = join(directory, 'canary-stops.json');
  const read = (): CanaryStop[] => {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch {
      return [];
    }
    try {
      const parsed: Json = JSON.parse(text);
      return Array.isArray(parsed) ? parsed.filter(isStop) : [];
    } catch (error) {
      log.error({ error, path }, 'the file of stopped canaries cannot be read; those in it may run again');
      return [];
    }
  };
  return {
    read,
    add(stop) {
      const stops = [...read().filter(({ id }) => id !== stop.id), stop].slice(-MAX_KEPT);
      try {
        mkdirSync(directory, { recursive: true, mode: 0o750 });
        const temporary = `${path}.${process.pid}`;
        writeFileSync(temporary, `${JSON.stringify(stops, undefined, 1)}\n`, { mode: 0o640 });
        renameSync(temporary, path);
      } catch (error) {
        log.error({ error, path }, 'a stopped canary cannot be kept; it runs again when the process is started again');
      }
    },
  };
}

const MAX_KEPT = 100;

function isStop(value: Json): value is CanaryStop & Json {
  return isObject(value) && typeof value['id'] === 'string' && typeof value['alias'] === 'string';
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
