/** Looks at Envoy's clusters through its admin interface: which have no host to send to, and which have a breaker open. */
import type { Logger } from 'pino';
import type { ClusterProblem } from '../fallback/clusters.ts';
import { isObject, type Json, type JsonObject } from '../json.ts';
import type { ClusterName } from '../policy/compiled/names.ts';

const INTERVAL_MS = 1_000;
const TIMEOUT_MS = 900;
/** Not cx_open: connections that are idle hold it open, and take the next request (measured). */
const BREAKER = /^cluster\.(.+)\.circuit_breakers\.default\.(?:rq|rq_pending)_open$/;
const BREAKERS = encodeURIComponent('\\.circuit_breakers\\.default\\.(rq|rq_pending)_open$');

export interface ClusterWatch {
  close(): void;
}

export interface ClusterWatchOptions {
  /** Such as `http://127.0.0.1:10001`. */
  readonly adminUrl: string;
  readonly log: Logger;
  /** All clusters that Envoy has, and those of them with a problem. */
  readonly onLook: (known: ReadonlySet<ClusterName>, problems: ReadonlyMap<ClusterName, ClusterProblem>) => void;
}

/** An admin interface that is away changes nothing: what was seen last is forgotten, and what happens to requests is told by them. */
export function watchClusters({ adminUrl, log, onLook }: ClusterWatchOptions): ClusterWatch {
  let away = false;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const look = async (): Promise<void> => {
    try {
      const [clusters, stats] = await Promise.all([
        get(`${adminUrl}/clusters?format=json`),
        get(`${adminUrl}/stats?format=json&filter=${BREAKERS}`),
      ]);
      if (closed) return;
      const seen = readClusters(clusters);
      for (const name of readOpenBreakers(stats)) seen.problems.set(name, 'circuit_open');
      onLook(seen.known, seen.problems);
      if (away) log.info('the admin interface of Envoy answers again');
      away = false;
    } catch (error) {
      if (!away)
        log.warn(
          { error, adminUrl },
          'the admin interface of Envoy does not answer: open breakers and missing hosts are not seen',
        );
      away = true;
      onLook(new Set(), new Map());
    }
  };
  const next = (): void => {
    if (!closed) timer = setTimeout(() => void look().finally(next), INTERVAL_MS).unref();
  };
  void look().finally(next);
  return {
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

async function get(url: string): Promise<JsonObject> {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const body: Json = JSON.parse(await response.text());
  if (!response.ok || !isObject(body)) throw new Error(`${url} answered ${response.status}`);
  return body;
}

function objects(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** @param body of `/clusters?format=json` (envoy.admin.v3.Clusters) */
export function readClusters(body: JsonObject): { known: Set<ClusterName>; problems: Map<ClusterName, ClusterProblem> } {
  const known = new Set<ClusterName>();
  const problems = new Map<ClusterName, ClusterProblem>();
  for (const { name, host_statuses } of objects(body['cluster_statuses'])) {
    known.add(String(name) as ClusterName);
    if (!objects(host_statuses).some(isUsable)) problems.set(String(name) as ClusterName, 'no_healthy_host');
  }
  return { known, problems };
}

function isUsable({ health_status: health }: JsonObject): boolean {
  if (!isObject(health)) return true;
  return (
    health['failed_active_health_check'] !== true &&
    health['failed_outlier_check'] !== true &&
    health['eds_health_status'] !== 'UNHEALTHY'
  );
}

/** @param body of `/stats?format=json` */
export function readOpenBreakers(body: JsonObject): ClusterName[] {
  return objects(body['stats']).flatMap(({ name, value }) => {
    const cluster = BREAKER.exec(String(name))?.[1];
    return cluster === undefined || value !== 1 ? [] : [cluster as ClusterName];
  });
}
