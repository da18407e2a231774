/** Client certificates: Envoy has verified them and tells what they say (attributes of the connection, never a header). */
import type { Policy } from '../policy/compiled/policy.ts';
import type { Identified } from './tokens.ts';

export interface Certificate {
  /** The first URI among its names: the SPIFFE id. */
  readonly uri: string | undefined;
  readonly subject: string | undefined;
}

/** @returns whom the first rule that fits says it is; undefined: none fits, or there is no certificate */
export function callerOfCertificate({ identity }: Policy, { uri, subject }: Certificate): Identified | undefined {
  if (uri === undefined && subject === undefined) return undefined;
  return identity.certificates.find(({ fits }) =>
    fits.by === 'uri' ? uri !== undefined && fits.pattern.test(uri) : subject === fits.subject,
  );
}
