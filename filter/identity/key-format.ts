/** Caller keys as the command line makes them: `gk-`, 28 random characters, 6 of checksum. Secret scanners know them by CALLER_KEY_PATTERN. */
import { hash, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { CallerKeyHash } from '../policy/compiled/names.ts';

/** For scanners of repositories and logs; docs/identity.md publishes it. */
export const CALLER_KEY_PATTERN = /\bgk-[0-9A-Za-z]{34}\b/;

const BASE_62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 166 bits. */
const RANDOM_LENGTH = 28;
/** 62^6 is more than 2^32. */
const CHECKSUM_LENGTH = 6;
/** What is shown of a key: 125 bits of it stay unseen. */
const PREFIX_LENGTH = 'gk-'.length + 6;

export function makeCallerKey(): string {
  const random = randomText(RANDOM_LENGTH);
  return `gk-${random}${checksum(random)}`;
}

/** An id for a key: no secret, and not made from one. */
export function makeKeyId(): string {
  return `k_${randomText(10)}`;
}

export function prefixOf(key: string): string {
  return key.slice(0, PREFIX_LENGTH);
}

export function hashCallerKey(key: string): CallerKeyHash {
  return hash('sha256', key, 'hex') as CallerKeyHash;
}

/** `mistyped`: it has our shape, and its checksum does not fit. */
export function shapeOf(key: string): 'ours' | 'mistyped' | 'other' {
  if (key.length !== 'gk-'.length + RANDOM_LENGTH + CHECKSUM_LENGTH || !CALLER_KEY_PATTERN.test(key)) return 'other';
  const random = key.slice(3, -CHECKSUM_LENGTH);
  return checksum(random) === key.slice(-CHECKSUM_LENGTH) ? 'ours' : 'mistyped';
}

function randomText(length: number): string {
  return Array.from({ length }, () => BASE_62[randomInt(BASE_62.length)]).join('');
}

function checksum(random: string): string {
  let rest = crc32(random);
  let text = '';
  for (let index = 0; index < CHECKSUM_LENGTH; index++) {
    text = (BASE_62[rest % BASE_62.length] ?? '') + text;
    rest = Math.floor(rest / BASE_62.length);
  }
  return text;
}
