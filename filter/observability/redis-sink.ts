/** Audit records in a Redis stream: an entry each, with `chain`, `seq` and `record`. */
import type { Cluster, Redis } from 'ioredis';
import { linkOf } from './audit-line.ts';
import { type AuditSink, SinkError } from './audit-sink.ts';

export interface RedisStream {
  readonly stream: string;
  /** Entries that stay, about; 0: all. */
  readonly maxLength: number;
}

/** @param client not connected yet; it is closed with the sink */
export function redisSink(client: Redis | Cluster, { stream, maxLength }: RedisStream): AuditSink {
  client.on('error', () => undefined);
  client.connect().catch(() => undefined);
  const trim = maxLength === 0 ? [] : (['MAXLEN', '~', maxLength] as const);
  return {
    async send(chain, lines) {
      const pipeline = client.pipeline();
      for (const line of lines)
        pipeline.call('XADD', stream, ...trim, '*', 'chain', chain, 'seq', linkOf(line)?.seq ?? 0, 'record', line);
      const results = (await pipeline.exec()) ?? [];
      const failed = results.find(([error]) => error !== null)?.[0];
      // Not the error itself: ioredis puts the command, and so the record, into it.
      if (failed !== undefined && failed !== null) throw new SinkError(failed.message.slice(0, 200));
      if (results.length !== lines.length) throw new SinkError('Redis has not answered for every record');
      return 0;
    },
    close: () => client.disconnect(),
  };
}
