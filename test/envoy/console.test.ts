/** The console in a real browser, on a real gateway whose primary is away: what an engineer sees, with a mouse, a keyboard, in the dark and on a phone. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AxeResults } from 'axe-core';
import { expect } from 'chai';
import type { BrowserContext, Locator, Page } from 'playwright-core';
import { type Browser, startBrowser } from '../stack/browser.ts';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { post } from './callers.ts';

const TOKEN = 'engineer-token-0123456789';
const PAGES = [
  '/console/',
  '/console/moves',
  '/console/spend',
  '/console/audit',
  '/console/policy',
  '/console/deprecations',
];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const REFRESH_MS = 5_000;
const CHAT = '/v1/chat/completions';

async function ask(stack: Stack, model = 'fast-summariser', more: object = {}): Promise<string> {
  const { headers } = await post(stack, CHAT, { model, messages: [{ role: 'user', content: 'x' }], ...more });
  return headers.get('x-gateway-request-id') ?? '';
}

/** Of WCAG 2.2 A and AA. What a scheme can break are rules of colour: it changes nothing else. */
const RULES = {
  all: "{ type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }",
  colours: "{ type: 'rule', values: ['color-contrast', 'link-in-text-block'] }",
} as const;
/** Fifty rows of a search are written by one template. */
const WHERE = "{ include: document, exclude: '#found tbody tr:nth-child(n+6)' }";

/** @returns what breaks the rules, in words */
async function broken(page: Page, rules: keyof typeof RULES = 'all'): Promise<string[]> {
  if (await page.evaluate<boolean>('window.axe === undefined')) await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate<AxeResults>(
    `axe.run(${WHERE}, { runOnly: ${RULES[rules]}, resultTypes: ['violations'] })`,
  );
  expect(passes, 'rules that were looked at').not.to.have.lengthOf(0);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
}

for (const workers of [1, 2]) {
  describe(`the console in a browser, ${workers} of the filter's processes`, () => {
    let stack: Stack;
    let browser: Browser;
    let directory: string;
    let policyPath: string;
    let moved: string;
    let context: BrowserContext;
    let page: Page;
    const problems: string[] = [];
    const url = (path: string): string => `http://127.0.0.1:${stack.filter.adminPort}${path}`;

    before(async () => {
      directory = mkdtempSync(join(tmpdir(), 'console-'));
      const tokenFile = join(directory, 'tokens');
      writeFileSync(tokenFile, `engineer:${TOKEN}\n`);
      policyPath = join(directory, 'policy.yaml');
      const made = changedPolicy((policy) => {
        for (const alias of Object.values(policy.aliases)) alias.order ??= 'as_written';
      });
      writeFileSync(policyPath, readFileSync(made));
      stack = await startStack({
        policyPath,
        order: 'as_written',
        workers,
        environment: { GATEWAY_CONSOLE_TOKEN_FILE: tokenFile },
      });
      browser = await startBrowser();
      for (let count = 0; count < 10; count++) await ask(stack);
      stack.openai.script({ kind: 'status', status: 529 }, Number.MAX_SAFE_INTEGER);
      const outage: string[] = [];
      // Each process sees for itself, or hears of it.
      for (let count = 0; count < 60; count++) outage.push(await ask(stack));
      const records = await Promise.all(outage.map((id) => stack.auditOf(id)));
      moved = records.find(({ attempts }) => attempts.length === 2)?.request_id ?? '';
    });
    after(async () => {
      await browser.close();
      await stack.stop();
      rmSync(directory, { recursive: true });
    });

    async function open(options: Parameters<Browser['open']>[0]): Promise<void> {
      context = await browser.open(options);
      page = await context.newPage();
      page.on('pageerror', ({ message }) => problems.push(message));
      page.on('console', (message) => {
        if (/Content Security Policy|Refused to/.test(message.text())) problems.push(message.text());
      });
    }
    /** With a session; only one test is of the form that begins it. */
    async function enter(options: Parameters<Browser['open']>[0] = {}): Promise<void> {
      await open(options);
      await context.request.post(url('/console/sign-in'), { form: { token: TOKEN }, maxRedirects: 0 });
    }
    /** Follows a link or presses a button, and waits until the page it leads to is there whole, its style too. */
    async function follow(what: Locator, to: RegExp): Promise<void> {
      await what.click();
      await page.waitForURL(to);
    }
    afterEach(async () => {
      await context.close();
      expect(problems.splice(0)).to.deep.equal([]);
    });

    it('lets in who has the token, to the page that was asked for, and out again', async () => {
      await open({});
      await page.goto(url('/console/audit?tenant=alpha'));
      await page.getByLabel('Your console token').fill(TOKEN);
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Audit log' }).waitFor();
      expect(page.url()).to.equal(url('/console/audit?tenant=alpha'));
      // By the process that has the admin port, one of the workers or not.
      const lines = readFileSync(stack.filter.logPath, 'utf8').split('\n');
      const looks = lines.filter((line) => line.includes('"console_access"')).map((line) => JSON.parse(line));
      expect(looks.map(({ event, person }) => [event, person])).to.deep.equal([
        ['sign_in', 'engineer'],
        ['audit_search', 'engineer'],
      ]);
      expect(await (await fetch(url('/metrics'))).text()).to.include(
        'gateway_console_sign_ins_total{result="accepted"} 1\n',
      );
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('Your console token').fill('wrong-token-0123456789abcdef');
      await page.getByRole('button', { name: 'Sign in' }).click();
      expect(await page.getByRole('alert').textContent()).to.equal('This token is not known.');
      await page.waitForLoadState();
      expect(await broken(page)).to.deep.equal([]);
    });

    it('shows the outage: the sick target and why, who was moved where, the spend', async () => {
      await enter();
      await page.goto(url('/console/'));
      const row = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: /^gpt-luna/ }) });
      expect(await row.textContent())
        .to.match(/down|probing/)
        .and.include('overloaded 529');
      expect(await row.getByRole('img').first().getAttribute('aria-label')).to.match(
        /Last 15 minutes: 10 answered, [1-9]\d* failed/,
      );
      expect(await page.locator('#attention').textContent()).to.include('gpt-luna');
      const summary = await page.locator('#summary').textContent();
      expect(summary)
        .to.match(/Requests70in/)
        .and.include(`${workers} of ${workers}`)
        .and.include('no Redis');
      await follow(page.getByRole('link', { name: 'Moves' }), /\/console\/moves/);
      const moves = await page.getByRole('row').allTextContents();
      const counted = moves
        .filter((text) => text.includes('gpt-luna'))
        .map((text) => Number(/(\d+)\D*\d\d:\d\d:\d\d/.exec(text)?.[1]));
      expect(moves.join('\n'))
        .to.match(/alpha.*fast-summariser.*gpt-luna.*claude-haiku.*overloaded/)
        .and.include('not asked: down');
      expect(counted.reduce((sum, count) => sum + count, 0)).to.equal(60);
      await follow(page.getByRole('link', { name: 'Spend' }), /\/console\/spend/);
      expect(await page.locator('#days').textContent()).to.include('for 70 requests in 14 days');
      expect(await page.locator('#days svg.days').first().getAttribute('aria-label')).to.match(
        /^(Spend by day, the dearest \d{4}-\d\d-\d\d with \$|No money on any day)/,
      );
      expect(await page.locator('#spend').textContent())
        .to.match(/70 answers/)
        .and.include('summaries');
      // Out of the audit log, which is synced a little later.
      await page.locator('#days').getByRole('cell', { name: '70', exact: true }).first().waitFor();
      expect(await page.locator('#days').textContent()).to.include('alpha');
    });

    it('finds a request and tells its whole story', async () => {
      await enter();
      await page.goto(url('/console/audit'));
      await page.keyboard.press('Control+/');
      await page.keyboard.type(moved);
      await page.keyboard.press('Enter');
      await page.waitForURL(/request=/);
      await follow(page.getByRole('link', { name: /^req_/ }), /\/console\/requests\//);
      await page.getByRole('heading', { name: moved }).waitFor();
      const story = await page.locator('main').textContent();
      for (const words of [
        'asked as number 2',
        'overloaded',
        '529',
        'alpha-demo',
        'claude-haiku',
        'demo-agent',
        'Lost in translation',
      ])
        expect(story).to.include(words);
      const bars = page.locator('.timeline').getByRole('img');
      expect(await bars.first().getAttribute('aria-label')).to.match(/^1 gpt-luna: overloaded, from .* to /);
      expect(await bars.count()).to.be.within(2, 3);
      await page.goto(url('/console/requests/req_nobody'));
      expect(await page.locator('main').textContent()).to.include('no such record');
    });

    it('tells of an edit of the policy that is refused, with its problems', async () => {
      await enter();
      const good = readFileSync(policyPath, 'utf8');
      writeFileSync(policyPath, good.replace('chain:', 'chian:'));
      try {
        await page.goto(url('/console/policy'));
        await waitFor('the problems', stack.filter, async () => {
          await page.getByRole('button', { name: 'Refresh' }).click();
          return page.getByRole('heading', { name: /edit is refused/ }).isVisible();
        });
        await page.waitForLoadState();
        expect(await page.locator('pre').textContent()).to.include('chian');
        expect(await broken(page)).to.deep.equal([]);
      } finally {
        writeFileSync(policyPath, good);
      }
    });

    // Pages look and behave the same however many processes are behind them.
    if (workers > 1) return;

    it('keeps rules of accessibility on every page, in light and dark, wide and at 360 pixels, where nothing scrolls sideways', async () => {
      await enter();
      for (const path of [...PAGES, `/console/requests/${moved}`]) {
        await page.goto(url(path));
        for (const width of [1440, 360]) {
          await page.setViewportSize({ width, height: 800 });
          for (const colorScheme of ['light', 'dark'] as const) {
            await page.emulateMedia({ colorScheme });
            const ground = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
            expect(ground).to.equal(colorScheme === 'dark' ? 'rgb(20, 23, 26)' : 'rgb(247, 247, 245)');
            const wide = await page.evaluate<number>('document.documentElement.scrollWidth');
            expect(wide, `${path} ${width}`).to.be.at.most(width);
            const rules = colorScheme === 'light' ? 'all' : 'colours';
            expect(await broken(page, rules), `${path} ${colorScheme} ${width}`).to.deep.equal([]);
          }
        }
      }
    });

    it('can be used with a keyboard alone: content first, then the pages in order, and what has focus is seen', async () => {
      await enter();
      await page.goto(url('/console/'));
      const focused = (): Promise<string> => page.evaluate<string>('document.activeElement.textContent.trim()');
      const stops: string[] = [];
      for (let count = 0; count < 9; count++) {
        await page.keyboard.press('Tab');
        stops.push(await focused());
        expect(await page.evaluate<string>('getComputedStyle(document.activeElement).outlineStyle'), stops.at(-1)).to.equal(
          'solid',
        );
      }
      expect(stops).to.deep.equal([
        'Skip to content',
        'Providers',
        'Moves',
        'Spend',
        'Audit',
        'Policy',
        'Deprecations',
        'Sign out',
        'Refresh',
      ]);
      await page.reload();
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      expect(await page.evaluate<string>('document.activeElement.id')).to.equal('main');
      await page.keyboard.press('Control+/');
      await page.waitForURL(/\/console\/audit/);
      await waitFor(
        'the focus',
        stack.filter,
        async () => (await page.evaluate<string>('document.activeElement.id')) === 'f-request',
      );
    });

    it('renews itself without moving the focus or the page, and can be paused', async () => {
      await enter({ viewport: { width: 1000, height: 400 } });
      await page.clock.install();
      await page.goto(url('/console/'));
      const link = page.getByRole('link', { name: 'claude-haiku', exact: true });
      await link.focus();
      await page.evaluate(
        'window.same = true; window.scrollTo(0, 200); document.querySelector("#targets .scroll").scrollLeft = 40;',
      );
      const before = await page.locator('#summary').textContent();
      await ask(stack);
      await waitFor('the renewed page', stack.filter, async () => {
        await page.clock.runFor(REFRESH_MS);
        return (await page.locator('#summary').textContent()) !== before;
      });
      expect(
        await page.evaluate(
          '[window.same, window.scrollY, document.activeElement.textContent, document.querySelector("#targets .scroll").scrollLeft]',
        ),
      ).to.deep.equal([true, 200, 'claude-haiku', 40]);
      await page.getByRole('button', { name: 'Pause' }).click();
      expect(await page.getByRole('button', { name: 'Go on' }).isVisible()).to.equal(true);
    });

    it('works without scripts', async () => {
      await enter({ javaScriptEnabled: false });
      await page.goto(url('/console/'));
      await follow(page.getByRole('link', { name: '15 min' }), /minutes=15/);
      expect(page.url()).to.equal(url('/console/?minutes=15'));
      expect(await page.getByRole('link', { name: '15 min' }).getAttribute('aria-current')).to.equal('true');
      await follow(page.getByRole('link', { name: 'Audit' }), /\/console\/audit/);
      await page.getByLabel('tenant').fill('nobody');
      await follow(page.getByRole('button', { name: 'Search' }), /tenant=nobody/);
      expect(await page.locator('#found').textContent()).to.include('No record fits');
    });
  });
}

describe('a gateway without a console', () => {
  it('has none', async () => {
    const stack = await startStack();
    try {
      const answer = await fetch(`http://127.0.0.1:${stack.filter.adminPort}/console/`);
      expect(answer.status).to.equal(404);
      expect(await answer.text()).not.to.include('/console');
    } finally {
      await stack.stop();
    }
  });
});
