/**
 * The incident that this exists for: a provider answers 529 for a while and every tenant's traffic meets it. Five tenants, plain and streamed, in two schemas; the
 * primary is well, then sick, then well again, and nobody does anything about it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashCallerKey } from '../../filter/identity/key-format.ts';
import { changedPolicy, shareKeys } from '../stack/policy.ts';
import { ROOT, waitFor } from '../stack/processes.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { reportOf } from './report.ts';
import { ALIASES, type Outage, type OutageOptions, type Phase, PRIMARY, TENANTS } from './scenario.ts';
import { startTraffic } from './traffic.ts';

/** Until the health of the target has seen enough, requests under way still meet it. */
const OUTBREAK_MS = 1_000;
const RECOVERY_LIMIT_MS = 60_000;

export async function outage(options: OutageOptions): Promise<Outage> {
  const stack = await startStack({ policyPath: policy(), order: 'as_written', copies: { 'openai-2': 'openai' } });
  const start = performance.now();
  const since = (): number => performance.now() - start;
  const watch = watchHealth(stack, since);
  try {
    const traffic = startTraffic({ stack, tenants: TENANTS, ...options });
    const phases: Phase[] = [];
    const run = async (name: Phase['name'], forMs: number, isOver?: () => boolean): Promise<void> => {
      const phase: Phase = { name, from: since(), to: since() };
      phases.push(phase);
      await traffic.run(name, forMs, isOver);
      phase.to = since();
      options.onPhase?.(phase);
    };
    await run('before', options.beforeMs);
    // What was sent in a phase is answered in it.
    await traffic.settled();
    stack.openai.script({ kind: 'status', status: 529 }, Number.MAX_SAFE_INTEGER);
    await run('outbreak', OUTBREAK_MS);
    await run('outage', options.outageMs - OUTBREAK_MS);
    await traffic.settled();
    stack.openai.mend();
    await run('recovery', RECOVERY_LIMIT_MS, () => watch.latest() === 'well');
    await run('after', options.afterMs);
    const sent = await traffic.settled();
    await waitFor('the records', stack.filter, async () => stack.audit().length >= sent.length);
    const primaryAsked = stack.openai.requests.map(({ at, bytes }) => ({
      ...{ at: at - start, tenant: /Question \d+ of (\w+)/.exec(bytes.toString('utf8'))?.[1] ?? 'unknown' },
    }));
    return { options, phases, sent, records: stack.audit(), primaryAsked, states: watch.states };
  } finally {
    await watch.stop();
    await stack.stop();
  }
}

function policy(): string {
  return changedPolicy((document) => {
    document.credentials = {
      ...document.credentials,
      openai: { ...document.credentials?.['openai'], clusters: ['openai', 'openai-2'] },
    };
    document.targets['gpt-terra'] = {
      ...{ cluster: 'openai-2', schema: 'openai-chat', model: 'gpt-5.6-terra', credential: 'openai' },
    };
    shareKeys(document);
    Object.assign(document.aliases, structuredClone(ALIASES));
    document.tenants = Object.fromEntries(
      TENANTS.map(({ tenant: name, feature, key }) => [
        name,
        { caller_keys: [{ name: `${name}-${feature}`, sha256: hashCallerKey(key), feature, aliases: 'all' as const }] },
      ]),
    );
  });
}

interface HealthWatch {
  readonly states: { at: number; state: string }[];
  latest(): string | undefined;
  stop(): Promise<void>;
}

const LOOK_MS = 50;

function watchHealth(stack: Stack, since: () => number): HealthWatch {
  const states: HealthWatch['states'] = [];
  const look = async (): Promise<void> => {
    const text = await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
    const state = new RegExp(`gateway_target_health\\{target="${PRIMARY}",state="(\\w+)"\\} 1`).exec(text)?.[1];
    if (state !== undefined && state !== states.at(-1)?.state) states.push({ at: since(), state });
  };
  let stopped = false;
  let looking: Promise<void> = Promise.resolve();
  const next = (): void => {
    if (stopped) return;
    looking = look().catch(() => undefined);
    void looking.then(() => {
      if (!stopped) timer = setTimeout(next, LOOK_MS);
    });
  };
  let timer = setTimeout(next, 0);
  return {
    states,
    latest: () => states.at(-1)?.state,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await looking;
    },
  };
}

if (import.meta.main) {
  console.log(
    'The primary is well, then answers 529 to everyone for 12 seconds, then is well again. About half a minute.\n',
  );
  const result = await outage({
    ...{ seed: 20_261_125, perSecond: 150, beforeMs: 4_000, outageMs: 12_000, afterMs: 3_000 },
    onPhase: ({ name, from, to }) => console.log(`  ${name.padEnd(9)} ${((to - from) / 1000).toFixed(1).padStart(5)} s`),
  });
  const { text, json } = reportOf(result);
  console.log(`\n${text}`);
  mkdirSync(join(ROOT, 'var'), { recursive: true });
  writeFileSync(join(ROOT, 'var/outage.md'), `# An outage of the primary\n\n\`\`\`\n${text}\n\`\`\`\n`);
  writeFileSync(join(ROOT, 'var/outage.json'), `${JSON.stringify(json, null, 2)}\n`);
  console.log('\nKept in var/outage.md and var/outage.json.');
}
