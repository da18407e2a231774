/** What benchmarks ask of a running gateway: requests to send it, and what its processes take. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Load } from './client.ts';

export function prompt(bytes: number): { role: 'user'; content: string }[] {
  return [{ role: 'user', content: 'lorem ipsum '.repeat(Math.ceil(bytes / 12)).slice(0, bytes) }];
}

/** A request of the demo's tenant alpha. @param url of the gateway */
export function gatewayLoad(url: string, model: string, bytes: number, stream: boolean): Load {
  const body = JSON.stringify({ model, messages: prompt(bytes), stream });
  return { url: `${url}/v1/chat/completions`, headers: { authorization: 'Bearer gk-demo-alpha' }, body };
}

/** Processor time of a process so far, of all its threads that live (Linux: /proc, in nanoseconds; /proc/PID/stat has ticks of 10 ms). */
export function cpuSeconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1e9;
}

export function residentMiB(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kilobytes) / 1024);
}
