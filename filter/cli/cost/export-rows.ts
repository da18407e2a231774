/** Rows of a provider's usage or cost export: CSV, tab-separated, gzipped, or what its admin API answers. */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { parse } from 'csv-parse';

/** Cells by column; columns by their letters and digits in lower case, so that `lineItem/UsageType` and `line_item_usage_type` are one. */
export type ExportRow = ReadonlyMap<string, string>;

export interface ExportFile {
  readonly path: string;
  /** As the file writes them. */
  readonly columns: readonly string[];
  readonly rows: AsyncIterable<ExportRow> | Iterable<ExportRow>;
}

/** What stands in parentheses is a unit: `Cost ($)`. */
export function columnKey(name: string): string {
  return name
    .replace(/\([^)]*\)/g, '')
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '');
}

/** @throws Error when the file cannot be read, or has no header */
export async function openExport(path: string): Promise<ExportFile> {
  return /\.json$/i.test(path) ? openAnswer(path) : openTable(path);
}

async function openTable(path: string): Promise<ExportFile> {
  const lines = cellsOf(path)[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done === true) throw new Error(`${path}: is empty`);
  const columns = first.value;
  return isByDate(columns)
    ? { path, columns: ['date', 'usage type', 'cost'], rows: turned(columns, lines) }
    : { path, columns, rows: rowsOf(columns, lines) };
}

async function* rowsOf(columns: readonly string[], lines: AsyncIterator<readonly string[]>): AsyncGenerator<ExportRow> {
  const keys = columns.map(columnKey);
  for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
    yield new Map(keys.map((key, place) => [key, line.value[place] ?? '']));
  }
}

/** Cost Explorer's CSV has a day for each row and a usage type for each column; its second row has sums. */
function isByDate([first]: readonly string[]): boolean {
  return first !== undefined && columnKey(first) === 'usagetype';
}

async function* turned(columns: readonly string[], lines: AsyncIterator<readonly string[]>): AsyncGenerator<ExportRow> {
  for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
    const [day = '', ...cells] = line.value;
    if (!/^\d{4}-\d\d-\d\d/.test(day)) continue;
    for (const [place, cell] of cells.entries()) {
      const name = (columns[place + 1] ?? '').replace(/ *\(\$\)$/, '');
      if (cell === '' || /^total costs?$/i.test(name)) continue;
      yield new Map([
        ['date', day],
        ['usagetype', name],
        ['cost', cell],
      ]);
    }
  }
}

async function* cellsOf(path: string): AsyncGenerator<readonly string[]> {
  try {
    const options = { bom: true, relax_column_count: true, skip_empty_lines: true, trim: true };
    const delimiter = await delimiterOf(path);
    const parser = parse({ ...options, delimiter });
    const done = pipeline(bytesOf(path), parser);
    // Told where the rows are read; unheard here it would end the process.
    done.catch(() => undefined);
    for await (const cells of parser) {
      if (delimiter === ';') checkDecimals(cells);
      yield cells;
    }
    await done;
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Where semicolons part cells, commas are in numbers: nobody knows of `1,234` whether it is a thousand. @throws Error */
function checkDecimals(cells: readonly string[]): void {
  const found = cells.find((cell) => /^[-+]?[$€£]?[\d.]*,\d+$/.test(cell));
  if (found !== undefined)
    throw new Error(
      `${JSON.stringify(found)}: in a table with semicolons a comma may be a decimal one; export it with points`,
    );
}

function bytesOf(path: string): Readable {
  const file = createReadStream(path);
  if (!/\.gz$/i.test(path)) return file;
  const unpacked = new PassThrough();
  pipeline(file, createGunzip(), unpacked).catch((error: unknown) =>
    unpacked.destroy(error instanceof Error ? error : undefined),
  );
  return unpacked;
}

/** Of comma, semicolon and tab the one that the header has most of. */
async function delimiterOf(path: string): Promise<string> {
  let head = '';
  for await (const chunk of bytesOf(path)) {
    head += String(chunk);
    if (head.includes('\n')) break;
  }
  const [header = ''] = head.split('\n', 1);
  const counted = [',', ';', '\t'].map((sign) => ({ sign, count: header.split(sign).length }));
  return counted.reduce((most, next) => (next.count > most.count ? next : most)).sign;
}

/** `{data: [{start_time|starting_at, results: [{…}]}]}`: what OpenAI's and Anthropic's usage and cost APIs answer; a page, or several in an array. */
async function openAnswer(path: string): Promise<ExportFile> {
  const answer: unknown = JSON.parse(await readFile(path, 'utf8'));
  const rows: ExportRow[] = [];
  const columns = new Set<string>();
  for (const page of Array.isArray(answer) ? answer : [answer]) {
    for (const bucket of membersOf(page, 'data')) {
      const { results: _results, result: _result, ...about } = Object(bucket);
      for (const result of [...membersOf(bucket, 'results'), ...membersOf(bucket, 'result')]) {
        const cells = [...flat(about, ''), ...flat(result, '')];
        for (const [name] of cells) columns.add(name);
        rows.push(new Map(cells.map(([name, value]) => [columnKey(name), value])));
      }
    }
  }
  if (rows.length === 0) throw new Error(`${path}: has no data[].results[], which usage and cost APIs answer`);
  return { path, columns: [...columns], rows };
}

function membersOf(value: unknown, name: string): readonly unknown[] {
  const found: unknown = typeof value === 'object' && value !== null ? Object(value)[name] : undefined;
  return Array.isArray(found) ? found : [];
}

function flat(value: unknown, prefix: string): [name: string, value: string][] {
  return Object.entries(Object(value)).flatMap(([name, member]): [string, string][] => {
    if (typeof member === 'object' && member !== null) return flat(member, `${prefix}${name}.`);
    return [[`${prefix}${name}`, member === null ? '' : String(member)]];
  });
}
