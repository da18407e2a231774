/** SigV4, the signature of AWS. The library is loaded when a policy needs it. */
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import type { SignatureV4 } from '@smithy/signature-v4';
import type { HeaderPairs } from '../transform/schema.ts';
import type { OutgoingRequest } from './credential.ts';

export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/**
 * Of the request's own headers only these are signed: AWS asks for them. What Envoy sets or may change on the way
 * (content-length, user-agent, accept, the trace id) is not.
 */
const SIGNED_HEADER = /^(content-type|x-amz-.+|x-amzn-bedrock-.+)$/;

export async function createSigner(keys: AwsKeys, region: string, service: string): Promise<SignatureV4> {
  const { SignatureV4 } = await import('@smithy/signature-v4');
  // The path that is signed is the one that is sent, encoded once more (the default). The hash of the body is signed in any
  // case; the header that repeats it is only for S3.
  return new SignatureV4({ credentials: keys, region, service, sha256: Sha256, applyChecksum: false });
}

/** @returns `authorization`, `x-amz-date` and, for session credentials, `x-amz-security-token` */
export async function sign(
  signer: SignatureV4,
  { method, path, headers, body }: OutgoingRequest,
  host: string,
  signingDate = new Date(),
): Promise<HeaderPairs> {
  const mark = path.indexOf('?');
  const signed = await signer.sign(
    {
      method,
      protocol: 'https:',
      hostname: host,
      path: mark === -1 ? path : path.slice(0, mark),
      query: mark === -1 ? {} : readQuery(path.slice(mark + 1)),
      headers: { host, ...Object.fromEntries(headers.filter(([name]) => SIGNED_HEADER.test(name))) },
      body,
    },
    { signingDate },
  );
  return ['authorization', 'x-amz-date', 'x-amz-security-token'].flatMap((name) => {
    const value = signed.headers[name];
    return value === undefined ? [] : [[name, value] as const];
  });
}

/** Names and values as they are without encoding: the library encodes them in the one way that AWS wants. */
function readQuery(query: string): Record<string, string[]> {
  const values: Record<string, string[]> = {};
  for (const pair of query.split('&').filter((pair) => pair !== '')) {
    const mark = pair.indexOf('=');
    const name = decode(mark === -1 ? pair : pair.slice(0, mark));
    values[name] = [...(values[name] ?? []), mark === -1 ? '' : decode(pair.slice(mark + 1))];
  }
  return values;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

type SourceData = string | ArrayBuffer | ArrayBufferView;

/** SHA-256, or with a secret its HMAC, in the shape that the library asks for. */
class Sha256 {
  readonly #make: () => Hash | Hmac;
  #hash: Hash | Hmac;

  constructor(secret?: SourceData) {
    const key = secret === undefined ? undefined : bytesOf(secret);
    this.#make = () => (key === undefined ? createHash('sha256') : createHmac('sha256', key));
    this.#hash = this.#make();
  }

  update(chunk: SourceData): void {
    this.#hash.update(bytesOf(chunk));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    this.#hash = this.#make();
  }
}

function bytesOf(data: SourceData): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  return data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
