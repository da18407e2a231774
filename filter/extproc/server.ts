/** The gRPC server that Envoy talks to, on a Unix socket. */
import { chmodSync, rmSync } from 'node:fs';
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import type { Gateway } from '../exchange/exchange.ts';
import { serveAttempt } from './attempt-stream.ts';
import { serveEndingLog } from './ending-log.ts';
import { serveFailure } from './failure-stream.ts';
import {
  AccessLogServiceService,
  type StreamAccessLogsMessage,
  type StreamAccessLogsResponse,
} from './gen/envoy/service/accesslog/v3/als.ts';
import {
  ExternalProcessorService,
  type ProcessingRequest,
  ProcessingResponse,
} from './gen/envoy/service/ext_proc/v3/external_processor.ts';
import { serveGuard } from './guard-stream.ts';
import { HandOver, STREAM_KEY } from './hand-over.ts';
import { serveRequest } from './request-stream.ts';

/** A 40 MiB body, its translation and their headers fit; grpc-js's own limit is 4 MiB. */
const MAX_MESSAGE_BYTES = 96 * 1024 * 1024;

/** The generated serialiser copies what the encoder returns; an answer may have tens of MiB. */
const EXTERNAL_PROCESSOR = {
  process: {
    ...ExternalProcessorService.process,
    responseSerialize(response: ProcessingResponse): Buffer {
      const { buffer, byteOffset, length } = ProcessingResponse.encode(response).finish();
      return Buffer.from(buffer, byteOffset, length);
    },
  },
};

export interface FilterServer {
  /** Streams handed over to other processes, since this one began. */
  handedOver(): number;
  /** Stops taking streams, lets those in flight finish, at most `graceMs`. */
  drain(graceMs: number): Promise<void>;
}

export interface ListenOptions {
  /** A Unix socket. */
  readonly socketPath: string;
  /** `host:port` to take streams at as well; they carry credentials, so whoever reaches it must be trusted. */
  readonly listen: string | undefined;
}

/** @throws Error when an address cannot be bound */
export async function startFilterServer({ socketPath, listen }: ListenOptions, gateway: Gateway): Promise<FilterServer> {
  const limits = {
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  };
  const server = new Server(limits);
  const handOver = new HandOver(limits);
  tolerateResets(server);
  server.addService(EXTERNAL_PROCESSOR, {
    process: (call: ServerDuplexStream<ProcessingRequest, ProcessingResponse>) => {
      switch (call.metadata.get(STREAM_KEY)[0]) {
        case 'attempt':
          handOver.route(call, gateway, serveAttempt);
          return;
        case 'guard':
          handOver.route(call, gateway, serveGuard);
          return;
        case 'failure':
          handOver.route(call, gateway, serveFailure);
          return;
        default:
          serveRequest(call, gateway);
      }
    },
  });
  server.addService(AccessLogServiceService, {
    streamAccessLogs: (
      call: ServerReadableStream<StreamAccessLogsMessage, StreamAccessLogsResponse>,
      done: sendUnaryData<StreamAccessLogsResponse>,
    ) => serveEndingLog(call, gateway, handOver, () => done(null, {})),
  });
  rmSync(socketPath, { force: true });
  const bind = (address: string): Promise<void> =>
    new Promise((resolve, reject) => {
      server.bindAsync(address, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error)));
    });
  await bind(`unix:${socketPath}`);
  if (listen !== undefined) await bind(listen);
  // Envoy commonly runs as another user of the same group.
  chmodSync(socketPath, 0o660);
  return {
    handedOver: () => handOver.count,
    drain: (graceMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => {
          server.forceShutdown();
          handOver.close();
          resolve();
        }, graceMs);
        server.tryShutdown(() => {
          clearTimeout(timer);
          handOver.close();
          resolve();
        });
      }),
  };
}

/**
 * Envoy resets streams of callers that leave, and all of them should its graceful-close flag be lost. Node answers more
 * than 1000 resets (33 a second after that) with GOAWAY, which fails every request on the connection. grpc-js has no option for
 * these limits; the field is private, and test/envoy/graceful-close.test.ts guards that it is still there.
 */
function tolerateResets(server: Server): void {
  const options: unknown = Reflect.get(server, 'commonServerOptions');
  if (typeof options !== 'object' || options === null) throw new Error('grpc-js has no commonServerOptions any more');
  Object.assign(options, { streamResetBurst: 1_000_000, streamResetRate: 100_000 });
}
