/** Whose requests and answers are kept, and what of them never is. */

/** What is kept of a tenant's requests and answers. */
export interface BodyRecording {
  readonly request: boolean;
  readonly response: boolean;
  /** Of each body; what is longer is cut. */
  readonly maxBytes: number;
  /** Share of the requests, 0 to 1. */
  readonly share: number;
  /** Never kept, besides what looks like a secret. */
  readonly redact: readonly RedactedField[];
}

/** `name`: wherever it stands, in lower case. `path`: from the body's root; `*` is any place of an array. */
export type RedactedField =
  | { readonly by: 'name'; readonly name: string }
  | { readonly by: 'path'; readonly path: readonly (string | number)[] };
