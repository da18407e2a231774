/** The record of a request's bodies. Field names are published, as those of audit records are. */

/** One line; joined with the audit record by `request_id`. */
export interface BodyRecord {
  readonly schema_version: 1;
  readonly request_id: string;
  /** When the request reached the filter, RFC 3339, UTC. */
  readonly time: string;
  readonly tenant: string | null;
  readonly alias: string | null;
  readonly caller_schema: string | null;
  /** null: it is not recorded. */
  readonly request: RecordedBody | null;
  readonly response: RecordedBody | null;
}

export interface RecordedBody {
  /** Of the whole body. */
  readonly bytes: number;
  /** The text is of its beginning alone. */
  readonly cut: boolean;
  /** null: neither JSON nor an event stream of it. */
  readonly text: string | null;
}
