/** What every kind of credential can do. */
import type { CredentialName } from '../policy/compiled/names.ts';
import type { HeaderPairs } from '../transform/schema.ts';

/** A request that is ready but for its credential. */
export interface OutgoingRequest {
  readonly method: 'POST';
  /** Absent: the provider's usual one. */
  readonly host: string | undefined;
  /** With query. */
  readonly path: string;
  readonly headers: HeaderPairs;
  readonly body: Buffer;
}

/** The key that an attempt was sent with, as far as it may be told. */
export interface UsedKey {
  readonly name: CredentialName;
  /** See `Credential.fingerprint`. */
  readonly fingerprint: string | undefined;
}

export interface Credential {
  /**
   * The headers that carry it. Never waits for a token endpoint.
   * @param byKey how the target's schema carries a plain key
   * @returns a promise where a signature has to be made
   * @throws Fault `credential_unavailable`, always before a promise is returned
   */
  authorize(byKey: (gatewayKey: string) => HeaderPairs, request: OutgoingRequest): HeaderPairs | Promise<HeaderPairs>;
  /** Could it be sent now? */
  isAvailable(): boolean;
  /** First 8 hex digits of the SHA-256 of the key that `authorize` sends now; undefined for tokens and signatures, which change by themselves. */
  fingerprint(): string | undefined;
  /** A provider refused it: get a new one early. */
  suspect(): void;
  /** Settles when it was had, or could not be had, for the first time. Never rejects. */
  readonly firstTry: Promise<void>;
  /** Ends what runs in the background. */
  close(): void;
}

/** The part of pino that is used. Gets names, times and reasons; never a secret. */
export interface CredentialLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface Surroundings {
  /** The credential's name in the policy. */
  readonly name: string;
  readonly log: CredentialLog;
}

/** A credential whose inputs have been found to be there. Called, it begins to work. */
export type PreparedCredential = (surroundings: Surroundings) => Credential;
