/** Reads the network team's cluster files as far as the gateway depends on them. Tolerant: everything else is Envoy's to judge. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, isSeq, LineCounter, parseDocument } from 'yaml';
import { isObject, type Json, type JsonObject } from '../json.ts';

export interface ClusterFile {
  readonly name: string;
  /** `file:line` where the cluster begins. */
  readonly place: string;
  readonly config: JsonObject;
}

export type ClusterFiles = { readonly clusters: readonly ClusterFile[]; readonly problems: readonly string[] };

export function readClusterFiles(directory: string): ClusterFiles {
  const clusters: ClusterFile[] = [];
  const problems: string[] = [];
  let files: string[];
  try {
    files = readdirSync(directory).sort();
  } catch {
    return { clusters, problems: [`${directory}: cannot be read; give the folder that holds the cluster files`] };
  }
  for (const file of files) {
    if (!/\.ya?ml$/.test(file)) continue;
    const path = join(directory, file);
    const lines = new LineCounter();
    const document = parseDocument(readFileSync(path, 'utf8'), { lineCounter: lines, prettyErrors: false });
    for (const error of document.errors) problems.push(`${path}:${lines.linePos(error.pos[0]).line}: ${error.message}`);
    const resources = isMap(document.contents) ? document.contents.get('resources', true) : undefined;
    if (!isSeq(resources)) {
      problems.push(`${path}:1: expected "resources:", a list of clusters`);
      continue;
    }
    const values: Json = document.toJS().resources;
    for (const [index, node] of resources.items.entries()) {
      const config = Array.isArray(values) ? values[index] : undefined;
      const at = isMap(node) && node.range ? lines.linePos(node.range[0]).line : 1;
      if (!isObject(config) || typeof config['name'] !== 'string') problems.push(`${path}:${at}: a cluster without a name`);
      else clusters.push({ name: config['name'], place: `${path}:${at}`, config });
    }
  }
  return { clusters, problems };
}

/** Envoy's own defaults (api/envoy/config/cluster/v3/circuit_breaker.proto). */
const DEFAULT_MAX_REQUESTS = 1024;
const DEFAULT_MAX_RETRIES = 3;
const LARGEST_REQUEST = 32 * 1024 * 1024;

/** What in one cluster would hurt callers. */
export function clusterProblems({ name, place, config }: ClusterFile): string[] {
  const problems: string[] = [];
  const say = (problem: string): void => {
    problems.push(`${place}: cluster ${JSON.stringify(name)}: ${problem}`);
  };
  const breakers = isObject(config['circuit_breakers']) ? config['circuit_breakers']['thresholds'] : undefined;
  const thresholds =
    (Array.isArray(breakers) ? breakers : [])
      .filter(isObject)
      .find(({ priority }) => priority === undefined || priority === 'DEFAULT') ?? {};
  const maxRequests = number(thresholds['max_requests']) ?? DEFAULT_MAX_REQUESTS;
  const allowed = retriesAllowed(thresholds, maxRequests);
  if (allowed < maxRequests) {
    say(
      `only ${allowed} retries at once are allowed (circuit_breakers, max_retries or retry_budget), but up to ${maxRequests} requests: ` +
        `when this provider fails, the rest fail with it instead of falling back; set max_retries: ${maxRequests}`,
    );
  }
  const buffer = number(config['per_connection_buffer_limit_bytes']) ?? 1024 * 1024;
  if (buffer < LARGEST_REQUEST) {
    say(
      `per_connection_buffer_limit_bytes is ${buffer}: larger requests lose their fallback; set at least ${LARGEST_REQUEST}`,
    );
  }
  if (config['outlier_detection'] !== undefined && panicThreshold(config) === 0) {
    say(
      'outlier_detection with a healthy_panic_threshold of 0 can eject the only host: requests then fail without a fallback; leave the threshold out',
    );
  }
  const options = config['typed_extension_protocol_options'];
  const http = isObject(options) ? options['envoy.extensions.upstreams.http.v3.HttpProtocolOptions'] : undefined;
  if (isObject(http) && http['retry_policy'] !== undefined)
    say("its own retry_policy would replace the gateway's, and no request would fall back; remove it");
  if (isObject(http) && http['http_filters'] !== undefined)
    say("its own http_filters would replace the gateway's fallback step; remove them");
  return problems;
}

function retriesAllowed(thresholds: JsonObject, maxRequests: number): number {
  const budget = thresholds['retry_budget'];
  if (!isObject(budget)) return number(thresholds['max_retries']) ?? DEFAULT_MAX_RETRIES;
  const percent = isObject(budget['budget_percent']) ? (number(budget['budget_percent']['value']) ?? 20) : 20;
  return Math.max(Math.floor((maxRequests * percent) / 100), number(budget['min_retry_concurrency']) ?? DEFAULT_MAX_RETRIES);
}

function panicThreshold(config: JsonObject): number | undefined {
  const common = config['common_lb_config'];
  const threshold = isObject(common) ? common['healthy_panic_threshold'] : undefined;
  return isObject(threshold) ? (number(threshold['value']) ?? 0) : undefined;
}

function number(value: Json | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
