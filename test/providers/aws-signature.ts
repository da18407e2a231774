/** Checks SigV4 signatures as AWS does: written from its description, and independent of the library that makes them. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export interface SignedRequest {
  readonly method: string;
  /** As it stands in the request line, with query. */
  readonly url: string;
  readonly bytes: Buffer;
}

export interface SignatureScope {
  readonly region: string;
  readonly service: string;
  readonly secretAccessKey: string;
  /** Default: the clock's. */
  readonly now?: Date;
  /** What `x-amz-security-token` must be. Absent: any, or none. */
  readonly sessionToken?: string;
  /** No proxy stands between: what it would change may be signed. */
  readonly direct?: boolean;
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([A-Za-z0-9]+)\/(\d{8})\/([a-z0-9-]+)\/([a-z0-9-]+)\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/;
/** What comes another way than it left: a proxy sets or changes these. */
const UNSAFE_TO_SIGN =
  /^(content-length|user-agent|accept|accept-encoding|connection|transfer-encoding|te|expect|x-forwarded-.*|x-envoy-.*|x-request-id|x-amzn-trace-id)$/;
const MAX_SKEW_MS = 5 * 60_000;

/** @returns what is wrong, in words; undefined for a request that AWS would take */
export function verifySigV4(
  headers: IncomingHttpHeaders,
  request: SignedRequest,
  scope: SignatureScope,
): string | undefined {
  const parts = AUTHORIZATION.exec(headers.authorization ?? '');
  if (parts === null) return 'authorization is not of the form AWS4-HMAC-SHA256';
  const [, , day = '', region = '', service = '', signedHeaders = '', signature = ''] = parts;
  if (region !== scope.region) return `Credential should be scoped to the region ${scope.region}, not ${region}`;
  if (service !== scope.service) return `Credential should be scoped to the service ${scope.service}, not ${service}`;
  const date = String(headers['x-amz-date'] ?? '');
  const at = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date);
  if (at === null || !date.startsWith(day)) return 'x-amz-date is missing or does not fit the scope';
  const [, y, mo, d, h, mi, s] = at;
  const skew = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`) - (scope.now ?? new Date()).getTime();
  if (Math.abs(skew) > MAX_SKEW_MS) return 'Signature expired';

  const names = signedHeaders.split(';');
  if (names.join() !== [...new Set(names)].sort().join()) return 'SignedHeaders are not sorted';
  const unsafe = names.find((name) => UNSAFE_TO_SIGN.test(name));
  if (unsafe !== undefined && scope.direct !== true) return `${unsafe} may change on the way and must not be signed`;
  const needed = ['host', ...Object.keys(headers).filter((name) => /^(content-type|x-amz-.*)$/.test(name))];
  const unsigned = needed.find((name) => !names.includes(name));
  if (unsigned !== undefined) return `${unsigned} is not signed`;
  const absent = names.find((name) => headers[name] === undefined);
  if (absent !== undefined) return `${absent} is signed, but was not sent`;
  if (scope.sessionToken !== undefined && headers['x-amz-security-token'] !== scope.sessionToken)
    return 'The security token included in the request is invalid';

  const hash = headers['x-amz-content-sha256'];
  if (hash !== undefined && hash !== sha256(request.bytes)) return 'x-amz-content-sha256 is not that of the body';
  const expected = signatureOf(canonicalRequest(headers, names, request), date, scope);
  return timingSafeEqual(Buffer.from(signature), Buffer.from(expected))
    ? undefined
    : 'The request signature we calculated does not match the signature you provided';
}

/** For every service but S3 the path is encoded once more than it was sent. */
export function canonicalRequest(headers: IncomingHttpHeaders, names: readonly string[], request: SignedRequest): string {
  const mark = request.url.indexOf('?');
  const path = mark === -1 ? request.url : request.url.slice(0, mark);
  const query = mark === -1 ? '' : request.url.slice(mark + 1);
  return [
    request.method,
    path.split('/').map(encode).join('/'),
    canonicalQuery(query),
    ...names.map(
      (name) =>
        `${name}:${String(headers[name] ?? '')
          .trim()
          .replaceAll(/ +/g, ' ')}`,
    ),
    '',
    names.join(';'),
    sha256(request.bytes),
  ].join('\n');
}

/** @param date `20150830T123600Z` @returns lower-case hex */
export function signatureOf(canonical: string, date: string, { region, service, secretAccessKey }: SignatureScope): string {
  const day = date.slice(0, 8);
  const toSign = ['AWS4-HMAC-SHA256', date, `${day}/${region}/${service}/aws4_request`, sha256(canonical)].join('\n');
  return hmac(signingKey(day, { region, service, secretAccessKey }), toSign).toString('hex');
}

export function signingKey(day: string, { region, service, secretAccessKey }: SignatureScope): Buffer {
  return hmac(hmac(hmac(hmac(`AWS4${secretAccessKey}`, day), region), service), 'aws4_request');
}

function canonicalQuery(query: string): string {
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const mark = pair.indexOf('=');
      const [name, value] = mark === -1 ? [pair, ''] : [pair.slice(0, mark), pair.slice(mark + 1)];
      return `${encode(decodeURIComponent(name))}=${encode(decodeURIComponent(value))}`;
    })
    .sort()
    .join('&');
}

/** RFC 3986: only unreserved characters stay. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}
