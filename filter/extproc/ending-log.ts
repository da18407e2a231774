/** Envoy's word on requests that ended in disorder or never began (gRPC access log service); none comes for those that ended well. */
import type { ServerReadableStream } from '@grpc/grpc-js';
import { onDisorderlyEnd } from '../exchange/attempts.ts';
import type { Gateway } from '../exchange/exchange.ts';
import { recordUnread, type UnreadAnswer } from '../exchange/unread.ts';
import type { HTTPAccessLogEntry, ResponseFlags } from './gen/envoy/data/accesslog/v3/accesslog.ts';
import type { StreamAccessLogsMessage, StreamAccessLogsResponse } from './gen/envoy/service/accesslog/v3/als.ts';
import { HandOver } from './hand-over.ts';

/** Envoy's short names of the flags that tell whose side ended a request. */
const SHORT_NAMES: readonly (readonly [keyof ResponseFlags, string])[] = [
  ['upstreamRequestTimeout', 'UT'],
  ['localReset', 'LR'],
  ['upstreamRemoteReset', 'UR'],
  ['upstreamConnectionFailure', 'UF'],
  ['upstreamConnectionTermination', 'UC'],
  ['upstreamProtocolError', 'UPE'],
  ['downstreamConnectionTermination', 'DC'],
  ['downstreamRemoteReset', 'DR'],
];

export function serveEndingLog(
  call: ServerReadableStream<StreamAccessLogsMessage, StreamAccessLogsResponse>,
  gateway: Gateway,
  handOver: HandOver,
  done: () => void,
): void {
  call.on('data', (message: StreamAccessLogsMessage) => {
    for (const entry of message.logEntries?.value.logEntry ?? []) {
      const unread = unreadAnswer(entry);
      if (unread !== undefined) {
        recordUnread(gateway, unread);
        continue;
      }
      const { responseFlags = {}, customTags = {} } = entry.commonProperties ?? {};
      const exchange = gateway.exchanges.get(customTags['exchange'] ?? '');
      const owner = customTags['owner'] ?? '';
      if (exchange === undefined && owner !== '' && owner !== gateway.address && !HandOver.isHandedOver(call.metadata)) {
        handOver.tell(owner, { logEntries: { $case: 'httpLogs', value: { logEntry: [entry] } } });
        continue;
      }
      const names = SHORT_NAMES.filter(([field]) => responseFlags[field] === true).map(([, name]) => name);
      onDisorderlyEnd(exchange, names);
    }
  });
  call.on('end', done);
  call.on('error', () => undefined);
}

/** @returns undefined as well for a request whose headers were good and whose body was not: it has an exchange */
function unreadAnswer({ response }: HTTPAccessLogEntry): UnreadAnswer | undefined {
  const { responseHeaders = {}, responseCode = 0, responseBodyBytes = 0 } = response ?? {};
  const requestId = responseHeaders['x-gateway-request-id'];
  if (responseHeaders['x-gateway-local-reply'] !== 'unread' || requestId === undefined) return undefined;
  return { requestId, status: responseCode, bytes: responseBodyBytes };
}
