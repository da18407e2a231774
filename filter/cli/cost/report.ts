/** Money by whom or what, as a table, JSON or CSV. */

import { csvRow } from '../audit-csv.ts';
import { rightFrom, table } from '../table.ts';
import { bar } from './bars.ts';
import type { Dimension, Group, Groups } from './dimensions.ts';
import { costOfOne, exactUsd, percent, roundedUsd, shareOf, short } from './money.ts';
import type { Tally } from './tally.ts';

export interface Layout {
  readonly by: readonly Dimension[];
  readonly top: number;
  /** Characters of a line. */
  readonly width: number;
}

export function ranked(groups: Groups, { by, top }: Layout): readonly Group[] {
  return by[0] === 'day' ? groups.ranked(Number.POSITIVE_INFINITY, 'key') : groups.ranked(top, 'cost');
}

/** Rounded for reading; JSON and CSV are exact. */
export function reportTable(groups: Groups, layout: Layout): string {
  const { by, width } = layout;
  const wide = width >= 140;
  const columns = wide ? WIDE : by.length === 1 ? NARROW : { ...NARROW, share: share(0) };
  const total = groups.total();
  const names = Object.keys(columns);
  const values = Object.values(columns);
  const groupsShown = [...ranked(groups, layout), { keys: ['total', ...by.slice(1).map(() => '')], tally: total }].map(
    ({ keys, tally }) => ({ keys, cells: values.map((column) => column(tally, total)) }),
  );
  const taken = names.reduce(
    (sum, name, place) => sum + 2 + Math.max(name.length, ...groupsShown.map(({ cells }) => cells[place]?.length ?? 0)),
    0,
  );
  // What numbers leave of the line.
  const keyWidth = Math.max(11, Math.floor((width - taken - 2 * (by.length - 1)) / by.length));
  const rows = groupsShown.map(({ keys, cells }) => [...keys.map((key) => clipped(key, keyWidth)), ...cells]);
  return [table([...by, ...names], rows, rightFrom(by.length, by.length + names.length)), ...notes(total)].join('\n');
}

type Column = (tally: Tally, total: Tally) => string;

const usd =
  (decimals: number): Column =>
  (tally) =>
    tally.isUnpriced ? 'unpriced' : roundedUsd(tally.nanoUsd, decimals);
const perRequest: Column = ({ nanoUsd, priced }) => {
  const one = costOfOne(nanoUsd, priced);
  return one === undefined ? '-' : roundedUsd(one, 6);
};
const share =
  (width: number): Column =>
  (tally, total) => {
    if (tally.isUnpriced) return width === 0 ? '-' : `     - ${' '.repeat(width)}`;
    const part = shareOf(tally.nanoUsd, total.nanoUsd);
    return width === 0 ? percent(part) : `${percent(part).padStart(6)} ${bar(part, width)}`;
  };
const estimated: Column = (tally) => (tally.estimated === 0 ? '-' : percent(tally.estimated / tally.requests));

const NARROW: Readonly<Record<string, Column>> = {
  requests: ({ requests }) => short(requests),
  input: (tally) => short(inputOf(tally)),
  output: ({ outputTokens }) => short(outputTokens),
  USD: usd(4),
  'USD/req': perRequest,
  share: share(5),
  unpr: ({ unknown }) => (unknown === 0 ? '-' : short(unknown)),
};

const WIDE: Readonly<Record<string, Column>> = {
  requests: ({ requests }) => String(requests),
  input: ({ inputTokens }) => short(inputTokens),
  'cache read': ({ cacheReadTokens }) => short(cacheReadTokens),
  written: ({ cacheWriteTokens }) => short(cacheWriteTokens),
  output: ({ outputTokens }) => short(outputTokens),
  reasoning: ({ reasoningTokens }) => short(reasoningTokens),
  USD: usd(6),
  'USD/request': perRequest,
  share: share(20),
  unpriced: ({ unknown }) => (unknown === 0 ? '-' : String(unknown)),
  estimated,
};

function inputOf({ inputTokens, cacheReadTokens, cacheWriteTokens }: Tally): number {
  return inputTokens + cacheReadTokens + cacheWriteTokens;
}

function notes(total: Tally): string[] {
  const lines = [];
  if (total.unpriced > 0)
    lines.push(`${total.unpriced} of ${total.requests} requests are of targets without a price: their money is in no sum.`);
  if (total.uncounted > 0)
    lines.push(
      `${total.uncounted} of ${total.requests} requests were answered without a count of tokens: their money is in no sum.`,
    );
  if (total.estimated > 0) {
    const part = percent(shareOf(total.estimatedNanoUsd, total.nanoUsd));
    lines.push(
      `${total.estimated} requests have estimated tokens: ${part} of the money (${roundedUsd(total.estimatedNanoUsd, 4)} USD).`,
    );
  }
  return lines.length === 0 ? [] : ['', ...lines];
}

function clipped(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** A group as machines read it. */
export function exactRow(
  { keys, tally }: Group,
  { by }: Layout,
  total: Tally,
): Readonly<Record<string, string | number | null>> {
  const one = costOfOne(tally.nanoUsd, tally.priced);
  return {
    ...Object.fromEntries(by.map((dimension, place) => [dimension, keys[place] ?? ''])),
    requests: tally.requests,
    input_tokens: inputOf(tally),
    cache_read_input_tokens: tally.cacheReadTokens,
    cache_write_input_tokens: tally.cacheWriteTokens,
    output_tokens: tally.outputTokens,
    reasoning_output_tokens: tally.reasoningTokens,
    usd: tally.isUnpriced ? null : exactUsd(tally.nanoUsd),
    usd_per_request: one === undefined ? null : exactUsd(one),
    share: tally.isUnpriced ? null : shareOf(tally.nanoUsd, total.nanoUsd),
    priced_requests: tally.priced,
    unpriced_requests: tally.unpriced,
    uncounted_requests: tally.uncounted,
    estimated_requests: tally.estimated,
    estimated_usd: tally.isUnpriced ? null : exactUsd(tally.estimatedNanoUsd),
  };
}

export function reportCsv(groups: Groups, layout: Layout): string {
  const total = groups.total();
  const rows = ranked(groups, layout).map((group) => exactRow(group, layout, total));
  const head = Object.keys(exactRow({ keys: [], tally: total }, layout, total));
  return [head, ...rows.map((row) => Object.values(row))].map(csvRow).join('');
}
