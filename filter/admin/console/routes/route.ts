/** What a route is: it takes an address and says what is to be answered, as a value; console.ts writes it. */
import type { Visitor } from '../access-log.ts';
import type { Html } from '../html.ts';
import type { Tab } from '../layout.ts';

export interface Asked {
  readonly url: URL;
  readonly visitor: Visitor;
  /** Ends when whoever asked has left. */
  readonly signal: AbortSignal;
}

export interface PageReply {
  readonly kind: 'page';
  readonly title: string;
  readonly main: Html;
  /** Absent: none of them is this page. */
  readonly tab?: Tab;
  /** Absent: 200. */
  readonly status?: number;
  /** Absent: it stays as it is. */
  readonly refreshSeconds?: number;
}

export interface JsonReply {
  readonly kind: 'json';
  /** What JSON.stringify makes text of; bigints are not. */
  readonly body: unknown;
  /** Absent: 200. */
  readonly status?: number;
}

export type Reply = PageReply | JsonReply;

/** @returns undefined: the address is none of its own */
export type Route = (asked: Asked) => Promise<Reply | undefined>;

export const REFRESH_SECONDS = 5;
