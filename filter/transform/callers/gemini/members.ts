/** Members of a body whose names may be written in camelCase, as the SDKs do, or in snake_case: Google's servers read both. */
import { isObject, type Json, type JsonObject } from '../../../json.ts';

const snakes = new Map<string, string>();

function snake(name: string): string {
  let found = snakes.get(name);
  if (found === undefined) {
    found = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    snakes.set(name, found);
  }
  return found;
}

/** @param name in camelCase, one of a fixed set @returns undefined for null too */
export function member(from: JsonObject | undefined, name: string): Json | undefined {
  if (from === undefined) return undefined;
  return from[name] ?? from[snake(name)] ?? undefined;
}

export function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Null, false and an empty list ask for nothing; an empty object may: `googleSearch: {}`. */
export function isAsked(value: Json | undefined): boolean {
  return value !== undefined && value !== null && value !== false && !(Array.isArray(value) && value.length === 0);
}

export function objects(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
