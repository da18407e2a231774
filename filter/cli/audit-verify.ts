/** Whether an audit log's chains are whole: reads every line once, and holds one in memory. */
import { CHAIN_START, isIntact, type Link, linkOf } from '../observability/audit-line.ts';
import { lastRemoved } from '../observability/audit-retention.ts';
import { linesOf, type Segment, segmentsIn } from '../observability/audit-segments.ts';

/** A record of a chain that is known from elsewhere, such as the filter's own log. */
export interface Anchor extends Link {
  readonly name: string;
}

export interface ChainReport {
  readonly name: string;
  readonly segments: number;
  /** Intact ones, until the first problem. */
  readonly records: number;
  readonly last: Link;
  /** Records that the process had to give up, by its own word. */
  readonly lost: number;
  readonly problem: ChainProblem | undefined;
}

export interface ChainProblem {
  /** `cut`: half a line at the chain's end: a crash left it, or a running process is writing it. */
  readonly kind: 'missing' | 'changed' | 'cut';
  /** `file:line: what is wrong`. */
  readonly message: string;
}

/** @returns a report for each chain, in order of names @throws Error for what cannot be read */
export async function verifyChains(directory: string, anchors: readonly Anchor[]): Promise<ChainReport[]> {
  const all = await segmentsIn(directory);
  const names = new Set([...all.map(({ chain }) => chain), ...anchors.map(({ name }) => name)]);
  const reports: ChainReport[] = [];
  for (const name of names) {
    reports.push(
      await verifyChain(
        name,
        all.filter(({ chain }) => chain === name),
        await lastRemoved(directory, name),
        anchors.filter((anchor) => anchor.name === name),
      ),
    );
  }
  return reports;
}

async function verifyChain(
  name: string,
  segments: readonly Segment[],
  removed: Link,
  anchors: readonly Anchor[],
): Promise<ChainReport> {
  let last = startOf(segments[0], removed);
  let first: number | undefined;
  let records = 0;
  let lost = 0;
  const report = (problem: ChainProblem | undefined): ChainReport => ({
    ...{ name, segments: segments.length, records, last: last ?? removed, lost, problem },
  });
  for (const segment of segments) {
    for await (const { text, number, end } of linesOf(segment.path)) {
      const place = `${segment.name}:${number}`;
      const problem = problemOf({ text, end, place, last, isLast: segment === segments.at(-1) });
      if (problem !== undefined) return report(problem);
      const link = linkOf(text);
      if (link === undefined) throw new Error(`${place}: has no seal and was not found out`);
      const anchor = anchors.find(({ seq }) => seq === link.seq);
      if (anchor !== undefined && anchor.chain !== link.chain)
        return report({
          kind: 'changed',
          message: `${place}: record ${link.seq} is not the one that the anchor knows: the chain was made anew`,
        });
      last = link;
      first ??= link.seq;
      records += 1;
      lost += Number(/,"lost":(\d+),"seq":\d+,"chain":"[0-9a-f]{64}"\}$/.exec(text)?.[1] ?? 0);
    }
  }
  const end = last?.seq ?? 0;
  const beyond = anchors.find(({ seq }) => seq > end);
  if (beyond !== undefined) {
    const message = `${segments.at(-1)?.name ?? name}: ends with record ${end}; the anchor knows record ${beyond.seq}`;
    return report({ kind: 'missing', message });
  }
  // What the first record hangs on is as good as there.
  const isHeld = ({ seq, chain }: Anchor): boolean => seq === removed.seq && chain === removed.chain;
  const gone = anchors.find((anchor) => anchor.seq < (first ?? end + 1) && !isHeld(anchor));
  if (gone === undefined) return report(undefined);
  const message = `${segments[0]?.name ?? name}: begins with record ${first ?? end + 1}; the anchor knows record ${gone.seq}, which is gone: by retention, or by somebody`;
  return report({ kind: 'missing', message });
}

/** @returns undefined: segments are there that the note says are gone; a removal was interrupted, and the first record hangs on nothing */
function startOf(first: Segment | undefined, removed: Link): Link | undefined {
  if (first === undefined || first.firstSeq > removed.seq) return removed;
  return first.firstSeq === 1 ? CHAIN_START : undefined;
}

interface Line {
  readonly text: string;
  readonly end: 'whole' | 'cut';
  readonly place: string;
  /** undefined: what stood before is not known. */
  readonly last: Link | undefined;
  readonly isLast: boolean;
}

function problemOf({ text, end, place, last, isLast }: Line): ChainProblem | undefined {
  const expected = last === undefined ? undefined : last.seq + 1;
  if (end === 'cut')
    return {
      kind: isLast ? 'cut' : 'changed',
      message: `${place}: the line is cut: half a record, where ${expected ?? 'one'} should be`,
    };
  const link = linkOf(text);
  if (link === undefined)
    return { kind: 'changed', message: `${place}: is no sealed record; record ${expected ?? '?'} should be here` };
  if (last === undefined || expected === undefined) return undefined;
  if (link.seq > expected)
    return {
      kind: 'missing',
      message: `${place}: ${link.seq - 1 === expected ? `record ${expected} is` : `records ${expected} to ${link.seq - 1} are`} missing before it`,
    };
  if (link.seq < expected)
    return { kind: 'changed', message: `${place}: record ${link.seq} stands where ${expected} should be` };
  if (!isIntact(text, link, last.chain))
    return {
      kind: 'changed',
      message: `${place}: record ${link.seq} does not fit its hash: it, or the one before, was changed`,
    };
  return undefined;
}
