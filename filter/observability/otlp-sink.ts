/** Audit records as OTLP log records: the body is the sealed line as it stands on disk. */

import { linkOf } from './audit-line.ts';
import type { AuditLine } from './audit-record.ts';
import { type AuditSink, RefusedError, SinkError } from './audit-sink.ts';
import { attributes, logsRequest, type OtlpLogRecord, type Resource, unixNano } from './otlp.ts';
import type { OtlpClient } from './otlp-client.ts';

/** By the conventions: info, warn, error. */
const SEVERITY: Readonly<Record<AuditLine['outcome'], readonly [number: number, text: string]>> = {
  ...{ ok: [9, 'INFO'], caller_left: [9, 'INFO'], caller_error: [9, 'INFO'], refused: [13, 'WARN'] },
  ...{ failed: [17, 'ERROR'], cut: [17, 'ERROR'] },
};

/**
 * 400 and 413 by the specification. A collector says 500 of what its next one refuses for good (a record too large for Kafka), and a firewall that
 * reads bodies 403: callers write some of the text.
 */
const ABOUT_RECORDS = new Set([400, 403, 413, 422, 500]);

export function otlpSink(client: OtlpClient, resource: Resource): AuditSink {
  const send = async (chain: string, lines: readonly string[]): Promise<number> => {
    const answer = await client.send(
      logsRequest(
        resource,
        lines.map((line) => logRecord(chain, line)),
      ),
    );
    // Whatever it says: a count of more than was sent would make ours fall.
    if (answer.kind === 'taken') return Math.min(answer.rejected, lines.length);
    if (answer.kind === 'again') throw new SinkError(answer.reason, answer.afterMs);
    throw new RefusedError(answer.reason, ABOUT_RECORDS.has(answer.status) ? 'records' : 'sender');
  };
  return { send, close: () => client.close() };
}

function logRecord(chain: string, line: string): OtlpLogRecord {
  const record = recordIn(line);
  const [severityNumber, severityText] = SEVERITY[record.outcome ?? 'failed'] ?? SEVERITY.ok;
  const observed = unixNano(Date.now());
  const time = Date.parse(record.time ?? '');
  return {
    timeUnixNano: Number.isNaN(time) ? observed : unixNano(time),
    observedTimeUnixNano: observed,
    ...{ severityNumber, severityText, eventName: 'gateway.audit', body: { stringValue: line } },
    attributes: attributes({
      'gateway.audit.chain': chain,
      'gateway.audit.seq': linkOf(line)?.seq,
      'gateway.request_id': record.request_id,
      'gateway.tenant': record.tenant,
      'gateway.alias': record.alias,
      'gateway.outcome': record.outcome,
    }),
    // A digit that was damaged on disk: a collector would refuse the whole batch.
    ...{ traceId: idOf(record.trace_id, 32), spanId: idOf(record.span_id, 16) },
  };
}

function idOf(text: string | undefined, length: number): string {
  return text !== undefined && text.length === length && /^[0-9a-f]+$/.test(text) && !/^0+$/.test(text) ? text : '';
}

/** A line that was damaged on disk goes as it stands: others wait behind it, and its seal tells. */
function recordIn(line: string): Partial<AuditLine> {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}
