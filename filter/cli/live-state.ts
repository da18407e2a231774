/** What a running filter tells of its targets, read from its metrics. */
import type { ClusterProblem } from '../fallback/clusters.ts';

export interface LiveState {
  /** Target -> state; targets that have been asked. */
  readonly health: ReadonlyMap<string, string>;
  readonly clusterProblems: ReadonlyMap<string, ClusterProblem>;
  /** Aliases whose canary was stopped by itself. */
  readonly stoppedCanaries: ReadonlySet<string>;
}

/** @param adminUrl such as `http://127.0.0.1:10080` @throws Error when it cannot be reached */
export async function readLiveState(adminUrl: string): Promise<LiveState> {
  let text: string;
  try {
    const response = await fetch(new URL('/metrics', adminUrl), { signal: AbortSignal.timeout(5_000) });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    text = await response.text();
  } catch (error) {
    throw new Error(`the filter's admin port at ${adminUrl} cannot be read: ${error instanceof Error ? error.message : ''}`);
  }
  const health = new Map<string, string>();
  const clusterProblems = new Map<string, ClusterProblem>();
  const stoppedCanaries = new Set<string>();
  for (const { name, labels, value } of samplesOf(text)) {
    if (value !== 1) continue;
    if (name === 'gateway_target_health') health.set(labels['target'] ?? '', labels['state'] ?? '');
    if (name === 'gateway_cluster_problem')
      clusterProblems.set(labels['cluster'] ?? '', labels['problem'] as ClusterProblem);
    if (name === 'gateway_canary_state' && labels['state'] === 'stopped') stoppedCanaries.add(labels['alias'] ?? '');
  }
  return { health, clusterProblems, stoppedCanaries };
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Our own metrics in Prometheus's text format; their label values need no escapes. */
export function samplesOf(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, inside = '', value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) return [];
    const labels = Object.fromEntries([...inside.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, key, of]) => [key, of]));
    return [{ name, labels, value: Number(value) }];
  });
}
