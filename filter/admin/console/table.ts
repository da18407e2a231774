/**
 * The one way to make a table. On a phone rows become cards (console.css), and browsers then forget that it was a table: the roles say it again, and each cell
 * carries its column's name.
 */
import { type Html, type HtmlValue, html } from './html.ts';

export interface Column {
  readonly name: string;
  /** Numbers stand right. */
  readonly kind?: 'text' | 'number';
}

export interface Row {
  /** As many as there are columns; the first is the row's header. */
  readonly cells: readonly HtmlValue[];
  readonly tone?: 'bad' | 'warn' | undefined;
}

/** Rows that belong together, under a header of their own. */
export interface RowGroup {
  readonly title: HtmlValue;
  readonly rows: readonly Row[];
}

export interface TableOptions {
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[] | readonly RowGroup[];
  /** What is said when there are no rows. */
  readonly empty: HtmlValue;
}

const MAX_ROWS = 300;

export function table({ caption, columns, rows, empty }: TableOptions): Html {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  const head = columns.map(
    ({ name, kind }) => html`<th scope="col" role="columnheader"${kind === 'number' && html` class="number"`}>${name}</th>`,
  );
  const groups = rows.every(isGroup) ? groupsOf(rows, columns) : bodyOf(rows.filter(isRow), columns);
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table role="table">
<caption>${caption}</caption>
<thead role="rowgroup"><tr role="row">${head}</tr></thead>
${groups}
</table></div>`;
}

function isGroup(row: Row | RowGroup): row is RowGroup {
  return 'rows' in row;
}

function isRow(row: Row | RowGroup): row is Row {
  return 'cells' in row;
}

function groupOf({ title, rows }: RowGroup, columns: readonly Column[]): Html {
  return html`<tbody role="rowgroup"><tr role="row" class="group"><th scope="rowgroup" role="rowheader" colspan="${columns.length}">${title}</th></tr>${rowsOf(rows, columns)}</tbody>`;
}

/** As many rows as a page has room for, over all groups. */
function groupsOf(groups: readonly RowGroup[], columns: readonly Column[]): Html[] {
  let room = MAX_ROWS;
  const shown: Html[] = [];
  for (const { title, rows } of groups) {
    if (room === 0) break;
    shown.push(groupOf({ title, rows: rows.slice(0, room) }, columns));
    room -= Math.min(rows.length, room);
  }
  const more = groups.reduce((sum, { rows }) => sum + rows.length, 0) - MAX_ROWS;
  return more > 0 ? [...shown, html`<tbody role="rowgroup">${restOf(more, columns)}</tbody>`] : shown;
}

function bodyOf(rows: readonly Row[], columns: readonly Column[]): Html {
  const more = rows.length - MAX_ROWS;
  return html`<tbody role="rowgroup">${rowsOf(rows.slice(0, MAX_ROWS), columns)}${more > 0 && restOf(more, columns)}</tbody>`;
}

function restOf(more: number, columns: readonly Column[]): Html {
  return html`<tr role="row"><td role="cell" colspan="${columns.length}">and ${more} more: the JSON of this page has them</td></tr>`;
}

function rowsOf(rows: readonly Row[], columns: readonly Column[]): Html[] {
  return rows.map(({ cells, tone }) => {
    const inside = cells.map((cell, index) => {
      const { name = '', kind } = columns[index] ?? {};
      if (index === 0) return html`<th scope="row" role="rowheader">${cell}</th>`;
      return html`<td role="cell" data-label="${name}"${kind === 'number' && html` class="number"`}>${cell}</td>`;
    });
    return html`<tr role="row"${tone !== undefined && html` class="${tone}"`}>${inside}</tr>\n`;
  });
}
