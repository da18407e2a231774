/** Audit records as a Parquet file: the columns of the CSV with types, and money in whole nano-dollars. */
import { open } from 'node:fs/promises';
import { fileWriter, parquetWriteRows, type SchemaElement } from 'hyparquet-writer';
import type { AuditLine } from '../observability/audit-record.ts';
import { AUDIT_COLUMNS, type Cell } from './audit-csv.ts';
import type { Found } from './audit-records.ts';

/** What a column is besides a text. */
const NUMBERS: Readonly<Record<string, 'INT32' | 'INT64' | 'DOUBLE' | 'BOOLEAN'>> = {
  ...{ stream: 'BOOLEAN', attempts: 'INT32', status: 'INT32', duration_ms: 'DOUBLE', seq: 'INT64', cost_nano_usd: 'INT64' },
  ...{ input_tokens: 'INT64', cache_read_input_tokens: 'INT64', cache_write_input_tokens: 'INT64' },
  ...{ output_tokens: 'INT64', reasoning_output_tokens: 'INT64' },
};

type Getter = (record: AuditLine, chain: string) => Cell;

function columns(): readonly (readonly [name: string, of: Getter])[] {
  return Object.entries(AUDIT_COLUMNS).map(([name, of]): [string, Getter] =>
    name === 'cost_usd' ? ['cost_nano_usd', ({ cost_nano_usd }) => cost_nano_usd] : [name, of],
  );
}

/** So many are in memory at once. */
const ROW_GROUP = 16_384;

/** @param path a new file @throws Error when it is there already, or cannot be written */
export async function writeParquet(records: AsyncIterable<Found>, path: string): Promise<void> {
  // The library's writer would write over a file.
  await (await open(path, 'wx', 0o640)).close();
  const getters = columns();
  const schema = [{ name: 'root', num_children: getters.length }, ...getters.map(([name]) => elementOf(name))];
  const writer = fileWriter(path);
  await parquetWriteRows({
    ...{ writer, schema, columns: getters.map(([name]) => ({ name })), rows: rowsOf(records, getters) },
    ...{ rowGroupSize: ROW_GROUP, createdBy: 'model-gateway' },
  });
}

function elementOf(name: string): SchemaElement {
  if (name === 'time')
    return {
      ...{ name, type: 'INT64', repetition_type: 'REQUIRED', converted_type: 'TIMESTAMP_MILLIS' },
      logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
    };
  const type = NUMBERS[name];
  return type === undefined
    ? { name, type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL', converted_type: 'UTF8', logical_type: { type: 'STRING' } }
    : { name, type, repetition_type: 'OPTIONAL' };
}

type Value = string | number | bigint | boolean | Date | undefined;

async function* rowsOf(
  records: AsyncIterable<Found>,
  getters: readonly (readonly [name: string, of: Getter])[],
): AsyncGenerator<Record<string, Value>> {
  for await (const { record, chain } of records) {
    const row: Record<string, Value> = {};
    for (const [name, of] of getters) row[name] = typed(name, of(record, chain));
    yield row;
  }
}

function typed(name: string, cell: Cell): Value {
  if (cell === null || cell === undefined) return undefined;
  if (name === 'time') return new Date(String(cell));
  const type = NUMBERS[name];
  if (type === undefined) return String(cell);
  return type === 'INT64' ? BigInt(cell) : cell;
}
