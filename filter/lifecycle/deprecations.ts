/**
 * When models end at the providers of targets. What the policy says of a target comes first, then what providers announce (announced.json), then litellm's
 * table (deprecations.json, made by cli/import-deprecations.ts). Ids match exactly or not at all.
 */
import { readFileSync } from 'node:fs';
import type { Policy } from '../policy/compiled/policy.ts';
import type { Target } from '../policy/compiled/target.ts';
import type { Platform } from '../prices/rates.ts';

export interface Deprecation {
  readonly target: string;
  /** The id by which the date was found. */
  readonly model: string;
  /** The day on which it ends, YYYY-MM-DD. */
  readonly on: string;
  /** 0 on that day; negative afterwards. */
  readonly daysLeft: number;
  /** Who says so: `policy`, a provider's page, or the table. */
  readonly source: string;
}

interface Announcement {
  readonly source: string;
  readonly read: string;
  readonly platform: Platform;
  readonly models: Readonly<Record<string, string>>;
}

interface Table {
  readonly about: { readonly version: string };
  readonly models: Readonly<Record<string, Partial<Record<Platform, string>>>>;
}

type Told = Pick<Deprecation, 'on' | 'source'>;

const DAY_MS = 86_400_000;
/** Of a target whose platform nobody tells it is its model's maker's own. */
const MAKERS: readonly Platform[] = ['anthropic', 'openai', 'cohere', 'gemini'];

/** @param now milliseconds since the epoch; days are those of UTC @returns targets whose model is known to end, or to have ended */
export function deprecations(policy: Policy, now = Date.now()): Deprecation[] {
  const today = Math.floor(now / DAY_MS) * DAY_MS;
  return [...policy.targets.values()].flatMap((target) => {
    const told = toldOf(policy, target);
    if (told === undefined) return [];
    return { target: target.id, ...told, daysLeft: Math.round((Date.parse(told.on) - today) / DAY_MS) };
  });
}

function toldOf(policy: Policy, target: Target): (Told & { readonly model: string }) | undefined {
  const { model, baseModel, deprecatedOn } = target;
  if (deprecatedOn === 'never') return undefined;
  if (deprecatedOn !== undefined) return { model, on: deprecatedOn, source: 'policy' };
  const platform = platformOf(policy, target);
  for (const id of [model, baseModel])
    for (const at of platform === undefined ? MAKERS : [platform]) {
      const told = known().get(`${at} ${id}`);
      if (told !== undefined) return { model: id, ...told };
    }
  return undefined;
}

/** Gemini is spoken at two of Google's places, which end models on different days: at one of them with a Google account's token alone. */
function platformOf({ credentials }: Policy, { platform, schema, credentials: names }: Target): Platform | undefined {
  if (platform !== undefined || schema.name !== 'gemini') return platform;
  return names.some((name) => credentials.get(name)?.source.kind === 'google') ? 'vertex' : 'gemini';
}

let read: Map<string, Told> | undefined;

/** By platform and id. */
function known(): Map<string, Told> {
  if (read !== undefined) return read;
  read = new Map();
  const { about, models }: Table = fromJson('deprecations.json');
  for (const [id, places] of Object.entries(models))
    for (const [platform, on] of Object.entries(places))
      read.set(`${platform} ${id}`, { on, source: `litellm ${about.version}` });
  const announcements: readonly Announcement[] = fromJson('announced.json');
  for (const { platform, source, models } of announcements)
    for (const [id, on] of Object.entries(models)) read.set(`${platform} ${id}`, { on, source });
  return read;
}

function fromJson(name: string): ReturnType<typeof JSON.parse> {
  return JSON.parse(readFileSync(new URL(`./${name}`, import.meta.url), 'utf8'));
}
