/** HTTP as the exchange sees it, free of Envoy's protocol types. */
import type { HeaderPairs } from '../transform/schema.ts';

/** Header names are lower case; pseudo-headers (`:path`, `:status`) are among them. */
export interface HeaderView {
  get(name: string): string | undefined;
  names(): Iterable<string>;
}

/** The connection that a request came on, as Envoy knows it; nothing of it comes from a header. */
export interface Connection {
  /** `address:port`. */
  readonly source: string | undefined;
  /** Of Envoy's own span; undefined: Envoy does not trace. */
  readonly traceparent: string | undefined;
  /** Of a client certificate that Envoy has verified: its first URI, its subject. */
  readonly certificate: { readonly uri: string | undefined; readonly subject: string | undefined };
}

/** `remove` is applied first. */
export interface HeaderChange {
  readonly set: HeaderPairs;
  readonly remove: readonly string[];
}

/** A whole answer of our own making. */
export interface OwnAnswer {
  readonly status: number;
  readonly headers: HeaderPairs;
  readonly body: string;
}
