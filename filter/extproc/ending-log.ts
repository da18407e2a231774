/** Envoy's word on requests that ended in disorder (gRPC access log service); none comes for those that ended well. */
import type { ServerReadableStream } from '@grpc/grpc-js';
import { onDisorderlyEnd } from '../exchange/attempts.ts';
import type { Gateway } from '../exchange/exchange.ts';
import type { ResponseFlags } from './gen/envoy/data/accesslog/v3/accesslog.ts';
import type { StreamAccessLogsMessage, StreamAccessLogsResponse } from './gen/envoy/service/accesslog/v3/als.ts';

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
  done: () => void,
): void {
  call.on('data', (message: StreamAccessLogsMessage) => {
    for (const { commonProperties } of message.logEntries?.value.logEntry ?? []) {
      const flags = commonProperties?.responseFlags ?? {};
      const names = SHORT_NAMES.filter(([field]) => flags[field] === true).map(([, name]) => name);
      onDisorderlyEnd(gateway.exchanges.get(commonProperties?.customTags?.['exchange'] ?? ''), names);
    }
  });
  call.on('end', done);
  call.on('error', () => undefined);
}
