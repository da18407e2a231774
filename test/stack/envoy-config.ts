/** Envoy's configuration as a launcher completes it: the files of envoy/, with addresses, ports and the two paths put in. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseDocument, stringify } from 'yaml';

const ENVOY_DIR = join(import.meta.dirname, '../../envoy');

export interface EnvoyConfigOptions {
  readonly directory: string;
  /** 0: a free one. */
  readonly port: number;
  readonly adminPort: number;
  /** Unix sockets or `host:port`, one for each filter process. */
  readonly filterAddresses: readonly string[];
  /** Cluster name -> port on 127.0.0.1 that stands in for the real provider. */
  readonly overlay: Readonly<Record<string, number>>;
  /** More clusters: name -> the cluster whose settings it has; `overlay` says where it is. */
  readonly copies?: Readonly<Record<string, string>>;
  /** Where other files stand in for the repository's own: tests of what a changed file does. */
  readonly bootstrapText?: string;
}

/** @returns path of the bootstrap file */
export function writeEnvoyConfig(options: EnvoyConfigOptions): string {
  const clustersPath = join(options.directory, 'clusters.yaml');
  const clusters = readClusters();
  for (const [name, of] of Object.entries(options.copies ?? {})) {
    const original = clusters.find((cluster) => cluster.name === of);
    if (original === undefined) throw new Error(`there is no cluster ${of} to copy`);
    clusters.push({ ...original, name });
  }
  writeFileSync(clustersPath, stringify({ resources: overlaid(clusters, options.overlay) }));

  const document = parseDocument(options.bootstrapText ?? readBootstrap());
  document.setIn(['admin', 'address', 'socket_address', 'port_value'], options.adminPort);
  document.setIn(['dynamic_resources', 'cds_config', 'path_config_source', 'path'], clustersPath);
  const listener = ['static_resources', 'listeners', 0];
  document.setIn([...listener, 'address', 'socket_address', 'port_value'], options.port);
  const endpoints = options.filterAddresses.map((address) => ({ endpoint: { address: addressOf(address) } }));
  const at = ['static_resources', 'clusters', 1, 'load_assignment', 'endpoints', 0, 'lb_endpoints'];
  document.setIn(at, document.createNode(endpoints));
  const path = join(options.directory, 'bootstrap.yaml');
  writeFileSync(path, document.toString());
  return path;
}

function addressOf(text: string): object {
  if (text.startsWith('/')) return { pipe: { path: text } };
  const [host, port] = text.split(':');
  return { socket_address: { address: host, port_value: Number(port) } };
}

export function readBootstrap(): string {
  return readFileSync(join(ENVOY_DIR, 'bootstrap.yaml'), 'utf8');
}

interface ClusterYaml {
  name: string;
  [field: string]: unknown;
}

export function readClusters(): ClusterYaml[] {
  const directory = join(ENVOY_DIR, 'clusters');
  return readdirSync(directory)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .flatMap((name): ClusterYaml[] => parse(readFileSync(join(directory, name), 'utf8')).resources);
}

/** Where to connect, and nothing else of a cluster: host, port, and no TLS where the stand-in speaks none. */
function overlaid(clusters: readonly ClusterYaml[], overlay: Readonly<Record<string, number>>): ClusterYaml[] {
  return clusters.map((cluster) => {
    const port = overlay[cluster.name];
    if (port === undefined) return cluster;
    const { transport_socket: _tls, dns_lookup_family: _dns, ...rest } = cluster;
    const address = { socket_address: { address: '127.0.0.1', port_value: port } };
    return {
      ...rest,
      type: 'STATIC',
      load_assignment: {
        cluster_name: cluster.name,
        // The name that providers are called by stays: signatures hold it.
        endpoints: [{ lb_endpoints: [{ endpoint: { address, hostname: hostOf(cluster) } }] }],
      },
    };
  });
}

function hostOf(cluster: ClusterYaml): string {
  const host = /"address":"([^"]+)"/.exec(JSON.stringify(cluster['load_assignment'] ?? {}))?.[1];
  if (host === undefined) throw new Error(`the cluster ${cluster.name} names no host`);
  return host;
}
