/** Envoy's protocol messages, read and written: the only file that knows their shapes. */
import type { Metadata } from '@grpc/grpc-js';
import type { Connection, HeaderChange, HeaderView, OwnAnswer } from '../exchange/http.ts';
import type { ClusterName } from '../policy/compiled/names.ts';
import type { HeaderPairs } from '../transform/schema.ts';
import {
  type HeaderMap,
  type HeaderValueOption,
  HeaderValueOption_HeaderAppendAction,
} from './gen/envoy/config/core/v3/base.ts';
import {
  ProcessingMode_BodySendMode,
  ProcessingMode_HeaderSendMode,
} from './gen/envoy/extensions/filters/http/ext_proc/v3/processing_mode.ts';
import { PriorityGroupsOverride } from './gen/envoy/extensions/router/cluster_specifiers/priority_group/v3/priority_group.ts';
import type {
  HeaderMutation,
  ProcessingRequest,
  ProcessingResponse,
} from './gen/envoy/service/ext_proc/v3/external_processor.ts';
import type { StatusCode } from './gen/envoy/type/v3/http_status.ts';

/** Dynamic metadata that Envoy's route and matcher read (envoy/bootstrap.yaml). */
const CHAIN_NAMESPACE = 'gateway.chain';
const EXCHANGE_NAMESPACE = 'gateway.exchange';

/** A view on Envoy's list, which is short: looking through it is cheaper than building a map. */
export function headerView(map: HeaderMap | undefined): HeaderView {
  const headers = map?.headers ?? [];
  return {
    get(name) {
      for (const header of headers) {
        // Envoy fills raw_value; bytes above 0x7f are nobody's business here.
        if (header.key === name) return header.rawValue?.toString('latin1') ?? header.value;
      }
      return undefined;
    },
    names: () => headers.map((header) => header.key ?? ''),
  };
}

function setHeaders(pairs: HeaderPairs): HeaderValueOption[] {
  return pairs.map(([key, value]) => ({
    header: { key, rawValue: Buffer.from(value, 'latin1') },
    appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
  }));
}

export function headerMutation(change: HeaderChange): HeaderMutation {
  return { setHeaders: setHeaders(change.set), removeHeaders: [...change.remove] };
}

/** Envoy selects no route without it; the route itself removes it, after (envoy/bootstrap.yaml). */
const NEEDED_FOR_ROUTE = 'x-forwarded-proto';

/** All that was received goes, but for what is set again and pseudo-headers: a provider sees what we set, and nothing else. */
export function replacing(received: Iterable<string>, set: HeaderPairs): HeaderChange {
  const kept = new Set(set.map(([name]) => name)).add('host').add(NEEDED_FOR_ROUTE);
  const remove: string[] = [];
  for (const name of received) if (!name.startsWith(':') && !kept.has(name)) remove.push(name);
  return { set, remove };
}

export const CONTINUE_REQUEST_HEADERS: ProcessingResponse = { response: { $case: 'requestHeaders', value: {} } };
export const CONTINUE_RESPONSE_HEADERS: ProcessingResponse = { response: { $case: 'responseHeaders', value: {} } };
export const CONTINUE_RESPONSE_BODY: ProcessingResponse = { response: { $case: 'responseBody', value: {} } };

/** Envoy holds the headers until the body is answered. A mode_override replaces the whole mode. */
export const READ_RESPONSE_BODY: ProcessingResponse = {
  ...CONTINUE_RESPONSE_HEADERS,
  modeOverride: {
    requestHeaderMode: ProcessingMode_HeaderSendMode.SKIP,
    requestBodyMode: ProcessingMode_BodySendMode.NONE,
    responseHeaderMode: ProcessingMode_HeaderSendMode.SEND,
    responseBodyMode: ProcessingMode_BodySendMode.BUFFERED,
    requestTrailerMode: ProcessingMode_HeaderSendMode.SKIP,
    responseTrailerMode: ProcessingMode_HeaderSendMode.SKIP,
  },
};

/** A status that Envoy takes for the provider's own and always moves on from. */
const MOVE_ON: HeaderChange = { set: [[':status', '503']], remove: [] };

export const CONTINUE_RESPONSE_TRAILERS: ProcessingResponse = { response: { $case: 'responseTrailers', value: {} } };

/** The rewritten request. Envoy obeys clear_route_cache only beside a header mutation. */
export function requestBodyAnswer(change: HeaderChange, body: Buffer): ProcessingResponse {
  return {
    response: {
      $case: 'requestBody',
      value: {
        response: {
          headerMutation: headerMutation(change),
          bodyMutation: { mutation: { $case: 'body', value: body } },
          clearRouteCache: true,
        },
      },
    },
  };
}

const OVERRIDE_TYPE =
  'type.googleapis.com/envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupsOverride';

/** A policy has few chains and each serves many requests: their bytes are made once. */
const encodedChains = new WeakMap<readonly ClusterName[], Buffer>();

function encodedChain(chain: readonly ClusterName[]): Buffer {
  let bytes = encodedChains.get(chain);
  if (bytes === undefined) {
    const priorityGroups = chain.map((cluster, index) => ({
      name: String(index + 1),
      clusters: [{ clusterName: cluster, weight: 1 }],
    }));
    bytes = Buffer.from(PriorityGroupsOverride.encode({ priorityGroups }).finish());
    encodedChains.set(chain, bytes);
  }
  return bytes;
}

/**
 * Per request: the clusters in the order of attempts, for the route's `priority_group`; and, for the upstream ext_proc, the
 * exchange and the cluster that the request was prepared for.
 */
export function chainMetadata(
  exchange: { readonly id: string; readonly owner: string | undefined },
  chain: readonly ClusterName[],
  guarded: boolean,
): Pick<ProcessingResponse, 'dynamicMetadata' | 'typedDynamicMetadata'> {
  return {
    dynamicMetadata: {
      [EXCHANGE_NAMESPACE]: {
        id: exchange.id,
        cluster: chain[0],
        ...(exchange.owner === undefined ? {} : { owner: exchange.owner }),
        ...(guarded ? { guard: true } : {}),
      },
    },
    ...continuedChain(chain),
  };
}

/** The chain as it goes on from a failed attempt. */
export function continuedChain(chain: readonly ClusterName[]): Pick<ProcessingResponse, 'typedDynamicMetadata'> {
  return { typedDynamicMetadata: { [CHAIN_NAMESPACE]: { typeUrl: OVERRIDE_TYPE, value: encodedChain(chain) } } };
}

export function responseHeadersAnswer(change: HeaderChange): ProcessingResponse {
  return { response: { $case: 'responseHeaders', value: { response: { headerMutation: headerMutation(change) } } } };
}

export function streamChunk(body: Buffer, endOfStream: boolean): ProcessingResponse {
  return {
    response: {
      $case: 'responseBody',
      value: { response: { bodyMutation: { mutation: { $case: 'streamedResponse', value: { body, endOfStream } } } } },
    },
  };
}

/** Envoy takes it for the provider's own answer and asks the next target. */
export const MOVE_ON_AT_HEADERS: ProcessingResponse = responseHeadersAnswer(MOVE_ON);
export const MOVE_ON_AFTER_BODY: ProcessingResponse = {
  response: { $case: 'responseBody', value: { response: { headerMutation: headerMutation(MOVE_ON) } } },
};

export function immediateAnswer(answer: OwnAnswer): ProcessingResponse {
  return {
    response: {
      $case: 'immediateResponse',
      value: {
        // The enum lists only named statuses; on the wire it is a number, and Envoy takes any.
        status: { code: answer.status as StatusCode },
        headers: { setHeaders: setHeaders(answer.headers) },
        body: Buffer.from(answer.body),
        details: 'gateway_refusal',
      },
    },
  };
}

/** Which exchange an upstream stream belongs to: Envoy forwards the metadata that `chainMetadata` set. Empty: none. */
export function exchangeId(message: ProcessingRequest): string {
  const id: unknown = message.metadataContext?.filterMetadata?.[EXCHANGE_NAMESPACE]?.['id'];
  return typeof id === 'string' ? id : '';
}

/** Where the process that holds the exchange is reached; undefined where there is but one. */
export function ownerOf(message: ProcessingRequest): string | undefined {
  const owner: unknown = message.metadataContext?.filterMetadata?.[EXCHANGE_NAMESPACE]?.['owner'];
  return typeof owner === 'string' ? owner : undefined;
}

const ATTRIBUTES = 'envoy.filters.http.ext_proc';

/** The caller's connection. */
export function connectionOf(message: ProcessingRequest, metadata: Metadata): Connection {
  const attributes = message.attributes?.[ATTRIBUTES];
  const text = (name: string): string | undefined => {
    const value: unknown = attributes?.[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  return {
    source: text('source.address'),
    traceparent: metadata.get('traceparent')[0]?.toString(),
    certificate: {
      uri: text('connection.uri_san_peer_certificate'),
      subject: text('connection.subject_peer_certificate'),
    },
  };
}

/** Which attempt an upstream stream belongs to. @returns number 0 when Envoy did not say */
export function attemptAttributes(message: ProcessingRequest): { cluster: string; number: number } {
  const attributes = message.attributes?.[ATTRIBUTES];
  return {
    cluster: String(attributes?.['xds.cluster_name'] ?? ''),
    number: Number(attributes?.['upstream.request_attempt_count'] ?? 0),
  };
}
