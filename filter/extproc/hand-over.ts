/**
 * Several filter processes stand behind one Envoy, and any of them may get any stream. What is known of a request is in the process that got its request
 * stream, its owner; a stream of the same request that arrives elsewhere is handed over to it, message by message. That happens only while a chain falls back,
 * so that it is right matters, and what it costs does not.
 */
import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  credentials,
  status as grpcStatus,
  Metadata,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
import type { Gateway } from '../exchange/exchange.ts';
import { AccessLogServiceService, type StreamAccessLogsMessage } from './gen/envoy/service/accesslog/v3/als.ts';
import {
  ExternalProcessorService,
  type ProcessingRequest,
  type ProcessingResponse,
} from './gen/envoy/service/ext_proc/v3/external_processor.ts';
import * as messages from './messages.ts';

type Call = ServerDuplexStream<ProcessingRequest, ProcessingResponse>;

/** Says which of the streams this is; set by Envoy's own configuration (initial_metadata), which no caller can reach. */
export const STREAM_KEY = 'x-gateway-stream';
/** A stream is handed over once: who gets it is its owner, or nobody is. */
const HANDED_OVER_KEY = 'x-gateway-handed-over';

/** Owners are the processes of one deployment; a channel that is not among the latest so many is opened again when it is needed. */
const MAX_CHANNELS = 64;

export class HandOver {
  readonly #options: ChannelOptions;
  /** In the order of their last use. */
  readonly #channels = new Map<string, Client>();
  /** Streams handed over, since the process began. */
  count = 0;

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  /** Waits for the stream's first message, which says whose it is, and lets `serve` have it or its owner. */
  route(call: Call, gateway: Gateway, serve: (call: Call, gateway: Gateway) => void): void {
    call.once('data', (first: ProcessingRequest) => {
      const owner = messages.ownerOf(first);
      const isOurs = owner === undefined || owner === gateway.address || gateway.exchanges.has(messages.exchangeId(first));
      if (isOurs || call.metadata.get(HANDED_OVER_KEY).length > 0) {
        serve(call, gateway);
        call.emit('data', first);
      } else this.#relay(call, first, owner);
    });
    // Until somebody has it.
    call.on('error', () => undefined);
  }

  #relay(call: Call, first: ProcessingRequest, owner: string): void {
    this.count += 1;
    const { path, requestSerialize, responseDeserialize } = ExternalProcessorService.process;
    const metadata = new Metadata();
    metadata.set(STREAM_KEY, String(call.metadata.get(STREAM_KEY)[0]));
    metadata.set(HANDED_OVER_KEY, '1');
    const stream: ClientDuplexStream<ProcessingRequest, ProcessingResponse> = this.#channel(owner).makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
    );
    let over = false;
    stream.on('data', (answer: ProcessingResponse) => call.write(answer));
    // A clean end would let the request pass unprocessed: it is passed on only after Envoy's own.
    stream.on('end', () => {
      if (over) call.end();
    });
    stream.on('error', (error: Error) => {
      if (over) return;
      over = true;
      call.emit('error', {
        code: grpcStatus.UNAVAILABLE,
        message: `the owner of this request cannot be reached: ${error.message}`,
      });
    });
    stream.write(first);
    call.on('data', (message: ProcessingRequest) => stream.write(message));
    call.on('end', () => {
      over = true;
      stream.end();
    });
    const left = (): void => {
      over = true;
      stream.cancel();
    };
    call.on('cancelled', left);
    call.on('error', left);
  }

  /** How a request ended, for the process that holds it. */
  tell(owner: string, entry: StreamAccessLogsMessage): void {
    const { path, requestSerialize, responseDeserialize } = AccessLogServiceService.streamAccessLogs;
    const metadata = new Metadata();
    metadata.set(HANDED_OVER_KEY, '1');
    const stream = this.#channel(owner).makeClientStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
      () => undefined,
    );
    stream.on('error', () => undefined);
    stream.end(entry);
  }

  /** Was this stream handed over to us? */
  static isHandedOver(metadata: Metadata): boolean {
    return metadata.get(HANDED_OVER_KEY).length > 0;
  }

  #channel(owner: string): Client {
    const channel = this.#channels.get(owner) ?? new Client(owner, credentials.createInsecure(), this.#options);
    this.#channels.delete(owner);
    this.#channels.set(owner, channel);
    for (const [oldest, unused] of this.#channels) {
      if (this.#channels.size <= MAX_CHANNELS) break;
      this.#channels.delete(oldest);
      unused.close();
    }
    return channel;
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }
}
