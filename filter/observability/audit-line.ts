/**
 * How records hang together: each line carries its number and a SHA-256 over the line before and itself, so that a line that is
 * removed or changed shows. A line is `<record>,"seq":N,"chain":"<64 hex digits>"}`; `chain` is of the chain before, as text, and
 * of all of the line that stands before `,"chain"`.
 */
import { hash } from 'node:crypto';

export interface Link {
  /** 1 for a chain's first record. */
  readonly seq: number;
  readonly chain: string;
}

/** What the first record of a chain hangs on. */
export const CHAIN_START: Link = Object.freeze({ seq: 0, chain: '0'.repeat(64) });

/** @param json a record as an object's JSON, without line ends @returns its line, with one */
export function seal(json: string, before: Link): { readonly line: string; readonly link: Link } {
  const seq = before.seq + 1;
  const body = `${json.slice(0, -1)},"seq":${seq}`;
  const chain = hash('sha256', before.chain + body);
  return { line: `${body},"chain":"${chain}"}\n`, link: { seq, chain } };
}

const LINK = /,"seq":(\d{1,15}),"chain":"([0-9a-f]{64})"\}$/;

/** @param line without its end @returns what the line says of itself; undefined: it is no sealed record */
export function linkOf(line: string): Link | undefined {
  const [, seq, chain] = LINK.exec(line) ?? [];
  return seq === undefined || chain === undefined ? undefined : { seq: Number(seq), chain };
}

/** @param line without its end @param before the chain of the line before */
export function isIntact(line: string, { chain }: Link, before: string): boolean {
  return hash('sha256', before + line.slice(0, line.lastIndexOf(',"chain":"'))) === chain;
}
