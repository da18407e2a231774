/** The filter process: reads its settings, builds everything, serves, drains. The only file that builds things. */
import { pino } from 'pino';
import { startAdminServer } from './admin/admin-server.ts';
import { CredentialError } from './credentials/credentials.ts';
import type { Exchanges, Gateway } from './exchange/exchange.ts';
import { settle } from './exchange/settle.ts';
import { startFilterServer } from './extproc/server.ts';
import { ClusterView } from './fallback/clusters.ts';
import { TargetHealth } from './fallback/health.ts';
import { TargetLatency } from './fallback/latency.ts';
import { AuditLog } from './observability/audit-log.ts';
import { createMetrics } from './observability/metrics.ts';
import { PolicyError } from './policy/load.ts';
import type { AliasName } from './policy/policy.ts';
import { startReloading } from './reload.ts';
import { readSettings, SettingsError } from './settings.ts';

/** Streams in flight get this long when the process is told to end. */
const DRAIN_MS = 30_000;

const log = pino({ base: { process: 'filter' }, timestamp: pino.stdTimeFunctions.isoTime });

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const exchanges: Exchanges = new Map();
  const health = new TargetHealth({ now: () => performance.now() });
  const latency = new TargetLatency();
  const rules = await startReloading({
    policyPath: settings.policyPath,
    environment: process.env,
    log,
    onForget(ids) {
      health.forget(ids);
      latency.forget(ids);
    },
  });
  const auditLog = await AuditLog.open(settings.auditDirectory, log);
  const metrics = createMetrics({
    auditLog,
    inFlight: () => exchanges.size,
    targetHealth: () => health.states(),
    policy: rules.state,
    isAlias: (name) => rules.inForce().policy.aliases.has(name as AliasName),
  });
  const gateway: Gateway = {
    ruleset: rules.inForce,
    health,
    latency,
    clusters: new ClusterView(() => performance.now()),
    region: settings.region,
    exchanges,
    record(record) {
      auditLog.append(record);
      metrics.observe(record);
    },
    onInternalError: (error, requestId) => log.error({ error, requestId }, 'the gateway failed on a request'),
    maxRequestBytes: settings.maxRequestBytes,
  };
  const server = await startFilterServer(settings.socketPath, gateway);
  let draining = false;
  const admin = await startAdminServer({
    host: settings.adminHost,
    port: settings.adminPort,
    registry: metrics.registry,
    isReady: () => !draining,
  });
  const { version } = rules.inForce().policy;
  log.info({ socket: settings.socketPath, adminPort: admin.port, policy: version }, 'filter is ready');

  const stop = async (signal: string): Promise<void> => {
    if (draining) return;
    draining = true;
    log.info({ signal, inFlight: exchanges.size }, 'draining');
    await server.drain(DRAIN_MS);
    // What still waits for Envoy's word on how it ended is audited without it.
    for (const exchange of exchanges.values()) settle(exchange, 'caller_left');
    rules.close();
    await auditLog.close();
    await admin.close();
    log.info('filter has stopped');
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal));
  process.on('SIGHUP', () => void rules.look());
}

try {
  await main();
} catch (error) {
  // What the operator has to mend is said in plain lines; everything else with its stack.
  if (error instanceof PolicyError || error instanceof CredentialError || error instanceof SettingsError)
    console.error(error.message);
  else log.fatal({ error }, 'filter could not start');
  process.exit(1);
}
