/** `make run`: a whole gateway in the foreground, until Ctrl-C. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ROOT } from '../stack/processes.ts';
import { startStack } from '../stack/stack.ts';

process.loadEnvFile(join(ROOT, '.env'));

/** No secret: the demo's admin port is of this machine alone. */
const CONSOLE_TOKEN = 'demo-console-token-00000000';

const PORTS = {
  gateway: 'GATEWAY_PORT',
  filterAdmin: 'GATEWAY_ADMIN_PORT',
  envoyAdmin: 'ENVOY_ADMIN_PORT',
  openai: 'MOCK_OPENAI_PORT',
  anthropic: 'MOCK_ANTHROPIC_PORT',
} as const;

async function main(): Promise<void> {
  const ports = {
    gateway: port(PORTS.gateway),
    filterAdmin: port(PORTS.filterAdmin),
    envoyAdmin: port(PORTS.envoyAdmin),
    openai: port(PORTS.openai),
    anthropic: port(PORTS.anthropic),
  };
  const busy: string[] = [];
  for (const [name, variable] of Object.entries(PORTS)) {
    const number = ports[name as keyof typeof PORTS];
    if (!(await isFree(number)))
      busy.push(`port ${number} is in use; choose another: ${variable}=${number + 1000} make run (or in .env)`);
  }
  if (busy.length > 0) throw new Error(busy.join('\n'));

  const auditDirectory = join(ROOT, 'var/audit');
  // Sockets have short paths, so not under var/.
  const directory = mkdtempSync(join(tmpdir(), 'model-gateway-'));
  const tokenFile = join(directory, 'console-tokens');
  writeFileSync(tokenFile, `demo:${CONSOLE_TOKEN}\n`, { mode: 0o600 });
  const environment = { GATEWAY_CONSOLE_TOKEN_FILE: tokenFile };
  const stack = await startStack({ ports, auditDirectory, directory, order: 'as_written', environment });
  const stop = async (why: string, code: number): Promise<void> => {
    process.stdout.write(`\n${why}; stopping Envoy, the filter and the mock providers … `);
    await stack.stop();
    rmSync(directory, { recursive: true, force: true });
    console.log('done');
    process.exit(code);
  };
  let stopping = false;
  const once = (why: string, code: number): void => {
    if (stopping) return;
    stopping = true;
    void stop(why, code);
  };
  process.on('SIGINT', () => once('Ctrl-C', 0));
  process.on('SIGTERM', () => once('told to end', 0));
  process.on('SIGHUP', () => once('terminal closed', 0));
  stack.filter.exited.then((how) => once(how, 1));
  stack.envoy.exited.then((how) => once(how, 1));
  console.log(banner(ports, stack.envoy.pid, stack.filter.pid, directory, relative(process.cwd(), auditDirectory)));
}

function banner(
  ports: Record<keyof typeof PORTS, number>,
  envoyPid: number,
  filterPid: number,
  directory: string,
  audit: string,
): string {
  const base = `http://127.0.0.1:${ports.gateway}`;
  return `
model-gateway is running. Ctrl-C stops it.

  callers    ${base}               Envoy (pid ${envoyPid})
  admin      http://127.0.0.1:${ports.filterAdmin}               the filter (pid ${filterPid}): /healthz /readyz /metrics
  console    http://127.0.0.1:${ports.filterAdmin}/console/     for people; the token is ${CONSOLE_TOKEN}
  envoy      http://127.0.0.1:${ports.envoyAdmin}               Envoy's own admin page
  providers  127.0.0.1:${ports.openai}, :${ports.anthropic}            mocks of OpenAI and Anthropic
  audit      ${audit}/                         a JSON line per request
  logs       ${directory}/

Try it:

  1. An OpenAI caller, answered by the first target of the alias:
     curl -s ${base}/v1/chat/completions -H 'authorization: Bearer gk-demo-alpha' -H 'content-type: application/json' \\
       -d '{"model": "fast-summariser", "messages": [{"role": "user", "content": "Hello"}]}'

  2. The first target answers 529; the caller gets an answer from the other provider (see x-gateway-failed-attempts):
     curl -si ${base}/v1/chat/completions -H 'authorization: Bearer gk-demo-alpha' -H 'content-type: application/json' \\
       -d '{"model": "rainy-day", "messages": [{"role": "user", "content": "Is anybody there?"}]}'

  3. An Anthropic caller, streaming:
     curl -sN ${base}/v1/messages -H 'x-api-key: gk-demo-beta' -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \\
       -d '{"model": "fast-summariser", "max_tokens": 100, "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'
`;
}

function port(variable: string): number {
  const value = Number(process.env[variable]);
  if (!Number.isInteger(value) || value < 1 || value > 65535) {
    throw new Error(`${variable} must be a port number (1 to 65535), found ${JSON.stringify(process.env[variable])}`);
  }
  return value;
}

function isFree(number: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(number, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

try {
  await main();
} catch (error) {
  console.error(`make run: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
