/** Small pictures, as SVG in the page: lengths are attributes, for the content security policy allows no inline styles. Each says in words what it shows. */
import type { AuditRecord } from '../../observability/audit-record.ts';
import { duration, whole, words } from './format.ts';
import { type Html, html } from './html.ts';
import type { Beat } from './snapshot.ts';

const BARS = 30;
const BAR_MS = 30_000;

/** Attempts of the last quarter of an hour, 30 seconds a bar: good below, failed above. */
export function beatChart(target: string, beats: readonly Beat[], now: number): Html {
  const newest = Math.floor(now / BAR_MS);
  const bars = Array.from({ length: BARS }, () => ({ ok: 0, failed: 0 }));
  for (const { at, targets } of beats) {
    const bar = bars[BARS - 1 - (newest - Math.floor(at / BAR_MS))];
    const [ok = 0, failed = 0] = Object.hasOwn(targets, target) ? (targets[target] ?? []) : [];
    if (bar === undefined) continue;
    bar.ok += ok;
    bar.failed += failed;
  }
  const most = Math.max(1, ...bars.map(({ ok, failed }) => ok + failed));
  const sum = (of: 'ok' | 'failed'): number => bars.reduce((total, bar) => total + bar[of], 0);
  const label = `Last 15 minutes: ${whole(sum('ok'))} answered, ${whole(sum('failed'))} failed`;
  // Two paths, and not sixty rectangles: a page has hundreds of charts, and may be made by the process that takes requests.
  let good = '';
  let bad = '';
  for (const [index, { ok, failed }] of bars.entries()) {
    // What there is is seen: a single failure among thousands has its pixel.
    const high = (count: number): number => (count === 0 ? 0 : Math.max(1.5, (count / most) * 24));
    const [okHigh, failedHigh] = [Math.min(high(ok), failed === 0 ? 24 : 22.5), Math.min(high(failed), 24)];
    if (ok > 0) good += barPath(index * 4, 24 - okHigh, 3, okHigh);
    if (failed > 0) bad += barPath(index * 4, Math.max(24 - okHigh - failedHigh, 0), 3, failedHigh);
  }
  const drawn = html`${good !== '' && html`<path class="ok" d="${good}"/>`}${bad !== '' && html`<path class="bad" d="${bad}"/>`}`;
  return html`<svg class="beats" role="img" aria-label="${label}" viewBox="0 0 119 24" width="119" height="24"><title>${label}</title><line class="axis" x1="0" x2="119" y1="23.5" y2="23.5"/>${drawn}</svg>`;
}

function barPath(x: number, y: number, width: number, height: number): string {
  return `M${x} ${y.toFixed(1)}h${width}v${height.toFixed(1)}h-${width}z`;
}

/** A bar a day. @param bars 0 to 1, of the highest */
export function dayBars(bars: readonly number[], label: string): Html {
  const width = bars.length * 7 - 2;
  const path = bars.map((share, index) => {
    const height = share === 0 ? 0 : Math.max(1.5, Math.min(share, 1) * 24);
    return share === 0 ? '' : barPath(index * 7, 24 - height, 5, height);
  });
  return html`<svg class="days" role="img" aria-label="${label}" viewBox="0 0 ${width} 24" width="${width}" height="24"><title>${label}</title><line class="axis" x1="0" x2="${width}" y1="23.5" y2="23.5"/><path class="ok" d="${path.join('')}"/></svg>`;
}

/** @param share 0 to 1, or more: then it is full */
export function meter(share: number, tone: 'ok' | 'warn' | 'bad', label: string): Html {
  const width = Math.min(Math.max(share, 0), 1) * 100;
  return html`<svg class="meter" role="img" aria-label="${label}" viewBox="0 0 100 6" preserveAspectRatio="none" width="100" height="6"><rect class="track" width="100" height="6" rx="1"/><rect class="${tone}" width="${width.toFixed(1)}" height="6" rx="1"/></svg>`;
}

interface Span {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly tone: 'wait' | 'ok' | 'bad' | 'body';
}

/** A request's time: its turn, each attempt from where it began, the answer's body. Records from before `start_ms` have their attempts one after another, up to the answer's headers. */
export function timeline(record: AuditRecord): Html {
  const { duration_ms: times, attempts } = record;
  const asked = attempts.filter(({ number }) => number > 0);
  const took = asked.reduce((total, { duration_ms }) => total + (duration_ms ?? 0), 0);
  const spans: Span[] = [];
  if (times.queue > 0) spans.push({ name: 'waited for its turn', from: 0, to: times.queue, tone: 'wait' });
  let at = Math.max((times.to_headers ?? Math.min(times.queue + took, times.total)) - took, 0);
  for (const { number, target, outcome, start_ms, duration_ms } of asked) {
    at = start_ms ?? at;
    const to = at + (duration_ms ?? 0);
    const tone = outcome === 'ok' ? 'ok' : 'bad';
    spans.push({ name: `${number} ${target}: ${words(outcome)}`, from: at, to, tone });
    at = to;
  }
  if (times.to_headers !== null && times.total > times.to_headers)
    spans.push({ name: 'the answer’s body', from: times.to_headers, to: times.total, tone: 'body' });
  const most = Math.max(times.total, ...spans.map(({ to }) => to), 0.001);
  const rows = spans.map(({ name, from, to, tone }) => {
    const x = (from / most) * 1000;
    const width = Math.max(((to - from) / most) * 1000, 3);
    return html`<li><span class="name">${name}</span><svg role="img" aria-label="${name}, from ${duration(from)} to ${duration(to)}" viewBox="0 0 1000 14" preserveAspectRatio="none"><rect class="track" width="1000" height="14"/><rect class="${tone}" x="${Math.min(x, 997).toFixed(1)}" width="${Math.min(width, 1000 - Math.min(x, 997)).toFixed(1)}" height="14"/></svg><span class="took">${duration(to - from)}</span></li>`;
  });
  return html`<ol class="timeline">${rows}<li class="scale"><span class="name">whole request</span><span></span><span class="took">${duration(times.total)}</span></li></ol>`;
}

/** How outcomes share the attempts, in words with their numbers: colours alone tell nothing. */
export function shares(counts: readonly (readonly [name: string, count: number])[]): Html[] {
  return counts.map(([name, count]) => html`<span class="chip"><b>${whole(count)}</b> ${words(name)}</span> `);
}
