/** Envoy's attempt log (gRPC access log service): one entry for each attempt that failed, none for those that went well. */
import type { ServerReadableStream } from '@grpc/grpc-js';
import { onAttemptLog } from '../exchange/attempts.ts';
import type { Gateway } from '../exchange/exchange.ts';
import type { HTTPAccessLogEntry, ResponseFlags } from './gen/envoy/data/accesslog/v3/accesslog.ts';
import type { StreamAccessLogsMessage, StreamAccessLogsResponse } from './gen/envoy/service/accesslog/v3/als.ts';

/** Envoy's short names of the flags that tell why an attempt failed. */
const SHORT_NAMES: readonly (readonly [keyof ResponseFlags, string])[] = [
  ['noHealthyUpstream', 'UH'],
  ['upstreamRequestTimeout', 'UT'],
  ['localReset', 'LR'],
  ['upstreamRemoteReset', 'UR'],
  ['upstreamConnectionFailure', 'UF'],
  ['upstreamConnectionTermination', 'UC'],
  ['upstreamOverflow', 'UO'],
  ['upstreamProtocolError', 'UPE'],
  ['noClusterFound', 'NC'],
  ['downstreamConnectionTermination', 'DC'],
];

export function serveAttemptLog(
  call: ServerReadableStream<StreamAccessLogsMessage, StreamAccessLogsResponse>,
  gateway: Gateway,
  done: () => void,
): void {
  call.on('data', (message: StreamAccessLogsMessage) => {
    for (const entry of message.logEntries?.value.logEntry ?? []) note(entry, gateway);
  });
  call.on('end', done);
  call.on('error', () => undefined);
}

function note(entry: HTTPAccessLogEntry, gateway: Gateway): void {
  const common = entry.commonProperties;
  const exchangeId = common?.customTags?.['exchange'];
  if (common === undefined || exchangeId === undefined) return;
  const flags = common.responseFlags ?? {};
  onAttemptLog(gateway.exchanges.get(exchangeId), {
    exchangeId,
    number: common.upstreamRequestAttemptCount ?? 0,
    cluster: common.upstreamCluster ?? '',
    status: entry.response?.responseCode ?? 0,
    flags: SHORT_NAMES.filter(([field]) => flags[field] === true).map(([, name]) => name),
    durationMs: common.duration === undefined ? undefined : (common.duration.seconds ?? 0) * 1000 + (common.duration.nanos ?? 0) / 1e6,
  });
}
