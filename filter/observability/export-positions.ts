/** How far an exporter has come in each chain, and how far behind it is. */
import type { Logger } from 'pino';
import type { Segment } from './audit-segments.ts';
import { beginningOf, type Piece, readOn, tipOf } from './chain-reader.ts';
import { type Cursor, readCursor, writeCursor } from './export-cursor.ts';

export interface ExportPlace {
  readonly name: string;
  readonly stateDirectory: string;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const TIP_MS = 5_000;
/** A chain that cannot be read is left alone for so long; the others go on. */
const UNREADABLE_MS = 10_000;

interface Position {
  cursor: Cursor;
  /** The chain's last number, as far as it was looked at. */
  tip: number;
  tipAt: number;
  bytesLeft: number;
  /** When the oldest record that is not taken was made, milliseconds since the epoch. */
  waitsSince: number | undefined;
}

interface Unreadable {
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Of performance.now(). */
  readonly againAt: number;
}

export class ExportPositions {
  readonly #place: ExportPlace;
  readonly #chains = new Map<string, Position>();
  readonly #unreadable = new Map<string, Unreadable>();
  #cursorsFail = false;
  /** Times that a chain could not be read. */
  failures = 0;
  /** Records that were gone before they were taken. */
  lost = 0;

  constructor(place: ExportPlace) {
    this.#place = place;
  }

  /** What is on disk and not taken. */
  lag(): { readonly records: number; readonly bytes: number; readonly seconds: number } {
    const now = this.#place.now();
    let [records, bytes, seconds] = [0, 0, 0];
    for (const { cursor, tip, bytesLeft, waitsSince } of this.#chains.values()) {
      records += Math.max(0, tip - cursor.seq);
      bytes += bytesLeft;
      if (waitsSince !== undefined) seconds = Math.max(seconds, (now - waitsSince) / 1000);
    }
    for (const { since } of this.#unreadable.values()) seconds = Math.max(seconds, (now - since) / 1000);
    return { records, bytes, seconds };
  }

  /** Chains that are no more are forgotten. */
  keepOnly(chains: { has(chain: string): boolean }): void {
    for (const known of [this.#chains, this.#unreadable])
      for (const chain of known.keys()) if (!chains.has(chain)) known.delete(chain);
  }

  /** @returns undefined: nothing is new, or this chain cannot be read now, for which the others need not wait */
  async next(chain: string, segments: readonly Segment[]): Promise<Piece | undefined> {
    const unreadable = this.#unreadable.get(chain);
    if (unreadable !== undefined && performance.now() < unreadable.againAt) return undefined;
    try {
      const position = await this.#positionIn(chain, segments);
      const piece = await readOn(segments, position.cursor);
      await this.#behind(position, segments, piece);
      this.#unreadable.delete(chain);
      if (piece.lines.length > 0) return piece;
      if (piece.lost > 0 || piece.begun === 'anew') await this.taken(chain, piece);
    } catch (error) {
      // Retention was faster: the next look finds it gone.
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      this.failures += 1;
      if (unreadable === undefined) this.#place.log.error({ chain, reason: String(error) }, 'an audit chain cannot be read');
      const since = unreadable?.since ?? this.#place.now();
      this.#unreadable.set(chain, { since, againAt: performance.now() + UNREADABLE_MS });
    }
    return undefined;
  }

  /** The sink has taken this piece. */
  async taken(chain: string, { cursor, lost, begun, bytesLeft }: Piece): Promise<void> {
    const position = this.#chains.get(chain);
    if (position === undefined) return;
    if (begun === 'anew') {
      position.tip = cursor.seq;
      this.#place.log.warn({ chain }, 'the audit chain has begun anew; it is exported from its beginning');
    }
    position.cursor = cursor;
    position.bytesLeft = bytesLeft;
    if (bytesLeft === 0) position.waitsSince = undefined;
    if (lost > 0) {
      this.lost += lost;
      const facts = { chain, records: lost, before: cursor.seq };
      this.#place.log.error(facts, 'audit records were removed before they were exported');
    }
    await this.#note(chain, cursor);
  }

  async #positionIn(chain: string, segments: readonly Segment[]): Promise<Position> {
    let position = this.#chains.get(chain);
    if (position === undefined) {
      const { stateDirectory, name } = this.#place;
      const known = await readCursor(stateDirectory, name, chain);
      const cursor = known ?? beginningOf(segments);
      position = { cursor, tip: 0, tipAt: -TIP_MS, bytesLeft: 0, waitsSince: undefined };
      this.#chains.set(chain, position);
      // Noted before anything is taken: what is removed from now on is lost, and counted.
      if (known === undefined) await this.#note(chain, cursor);
    }
    return position;
  }

  async #behind(position: Position, segments: readonly Segment[], { lines, cursor, bytesLeft }: Piece): Promise<void> {
    const [first] = lines;
    position.waitsSince = first === undefined ? undefined : timeOf(first);
    position.bytesLeft = lines.reduce((sum, line) => sum + line.length + 1, bytesLeft);
    position.tip = Math.max(position.tip, cursor.seq);
    if (bytesLeft === 0 || performance.now() - position.tipAt < TIP_MS) return;
    position.tip = Math.max(cursor.seq, (await tipOf(segments))?.seq ?? 0);
    position.tipAt = performance.now();
  }

  async #note(chain: string, cursor: Cursor): Promise<void> {
    const { stateDirectory, name, log } = this.#place;
    try {
      await writeCursor(stateDirectory, name, chain, cursor);
      this.#cursorsFail = false;
    } catch (error) {
      // The worst is that records come twice, after the next start.
      if (!this.#cursorsFail) log.error({ error }, 'how far the audit export has come cannot be noted');
      this.#cursorsFail = true;
    }
  }
}

function timeOf(line: string): number | undefined {
  const time = Date.parse(/"time":"([^"]*)"/.exec(line)?.[1] ?? '');
  return Number.isNaN(time) ? undefined : time;
}
