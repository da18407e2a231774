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
  // Commands that meet no connection say only that; why there is none is known here.
  let away: string | undefined;
  client.on('error', (error: Error) => {
    away = reasonOf(error);
  });
  client.on('ready', () => {
    away = undefined;
  });
  // Until it is there, or known not to be: what is sent before fails, and its reason tells nothing.
  const tried = new Promise<void>((resolve) => {
    client.once('error', () => resolve());
    client.connect().then(resolve, () => resolve());
  });
  const trim = maxLength === 0 ? [] : (['MAXLEN', '~', maxLength] as const);
  return {
    async send(chain, lines) {
      await tried;
      // All or none: were one refused amid others, the stream would have later numbers before it, and readers would take it for a double.
      const batch = client.multi();
      for (const line of lines)
        batch.call('XADD', stream, ...trim, '*', 'chain', chain, 'seq', linkOf(line)?.seq ?? 0, 'record', line);
      const results = await batch.exec().catch((error: Error) => {
        throw new SinkError(away ?? reasonOf(error));
      });
      const failed = results?.find(([error]) => error !== null)?.[0];
      if (failed !== undefined && failed !== null) throw new SinkError(away ?? reasonOf(failed));
      if (results?.length !== lines.length) throw new SinkError('Redis has not answered for every record');
      return 0;
    },
    close: () => client.disconnect(),
  };
}

/** Not the error itself: ioredis puts the command, and so the record, into it. */
function reasonOf(error: Error & { readonly previousErrors?: readonly Error[]; readonly lastNodeError?: Error }): string {
  return (error.previousErrors?.[0] ?? error.lastNodeError ?? error).message.slice(0, 200);
}
