/** What all pages share: head, navigation, and the parts that a live page exchanges. */
import { clock } from './format.ts';
import { type Html, type HtmlValue, html, queryOf } from './html.ts';

export const TABS = [
  ['/console/', 'Providers'],
  ['/console/moves', 'Moves'],
  ['/console/spend', 'Spend'],
  ['/console/audit', 'Audit'],
  ['/console/policy', 'Policy'],
  ['/console/deprecations', 'Deprecations'],
] as const;
export type Tab = (typeof TABS)[number][0];

export const WINDOWS = [1, 5, 15] as const;
export type WindowMinutes = (typeof WINDOWS)[number];

export interface PageOptions {
  readonly title: string;
  /** Undefined: none of them is this page. */
  readonly tab: Tab | undefined;
  /** Who looks; undefined: nobody has signed in. */
  readonly person: string | undefined;
  readonly main: HtmlValue;
  /** Seconds between two looks of the script; 0: it stays as it is. */
  readonly refreshSeconds: number;
  /** Where this was read: of several pods each has its own. */
  readonly host: string;
  readonly at: number;
}

export function page({ title, tab, person, main, refreshSeconds, host, at }: PageOptions): string {
  const tabs = TABS.map(
    ([path, name]) => html`<li><a href="${path}"${path === tab && html` aria-current="page"`}>${name}</a></li>`,
  );
  const bar = html`<nav aria-label="Pages"><ul>${tabs}</ul></nav>
<div class="who"><span class="person">${person}</span><form method="post" action="/console/sign-out"><button type="submit">Sign out</button></form></div>`;
  const live = html`<p class="live" id="live-state"><span class="host">${host}</span> <span id="read-at" data-live>read at ${clock(at, at)} UTC</span> <a href="" id="refresh">Refresh</a></p>`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · model gateway</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/console/console.css">
<script src="/console/console.js" defer></script>
</head>
<body data-refresh="${refreshSeconds}">
<a class="skip" href="#main">Skip to content</a>
<header><span class="product">model gateway</span>${person !== undefined && bar}</header>
<main id="main" tabindex="-1">
${person !== undefined && live}
${main}
</main>
</body>
</html>
`.toString();
}

/** The last minutes, as links: they work without a script and can be sent to somebody. */
export function windowLinks(path: string, minutes: WindowMinutes): Html {
  const links = WINDOWS.map((of) => {
    const href = `${path}${queryOf({ minutes: of })}`;
    return html`<a href="${href}"${of === minutes && html` aria-current="true"`}>${of} min</a>`;
  });
  return html`<div class="windows" role="group" aria-label="How far back">${links}</div>`;
}

/** A page's content that the script exchanges as a whole, keeping focus and scroll. Every one has its own id. */
export function live(id: string, content: HtmlValue): Html {
  return html`<div id="${id}" data-live>${content}</div>`;
}

/** A state in a word with a sign: colour is not all that tells it. */
export function pill(tone: 'ok' | 'warn' | 'bad' | 'none', text: string): Html {
  return html`<span class="pill ${tone}"><span aria-hidden="true">${SIGNS[tone]}</span> ${text}</span>`;
}

const SIGNS = { ok: '●', warn: '▲', bad: '■', none: '○' } as const;

export function facts(pairs: readonly (readonly [name: string, value: HtmlValue])[]): Html {
  return html`<dl class="facts">${pairs.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** The same numbers for programs. */
export function jsonLink(path: string, of = 'this page'): Html {
  return html`<p class="foot"><a href="${path}">JSON of ${of}</a></p>`;
}
