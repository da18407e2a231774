/** A real browser, without a window: Chromium on this machine. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'] as const;

/** `CHROMIUM_BIN`, or the one on PATH. @throws Error when there is none */
function browserBinary(): string {
  const own = process.env['CHROMIUM_BIN'];
  if (own !== undefined) return own;
  const folders = (process.env['PATH'] ?? '').split(':');
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
  if (found === undefined) throw new Error('no chromium on PATH: make setup installs it, or CHROMIUM_BIN names one');
  return found;
}

const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-dev-shm-usage'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

export interface Browser {
  open(options?: BrowserContextOptions): Promise<BrowserContext>;
  close(): Promise<void>;
}

export async function startBrowser(): Promise<Browser> {
  // What it would keep in its user's home goes with the run.
  const home = mkdtempSync(join(tmpdir(), 'browser-'));
  const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home };
  const browser = await chromium.launch({ executablePath: browserBinary(), args: FLAGS, env });
  return {
    open: (options) => browser.newContext(options),
    async close() {
      await browser.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
