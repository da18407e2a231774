/** A load generator: keep-alive connections, one request at a time on each. */
import { Agent, request } from 'node:http';

export interface Load {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Measured {
  readonly requests: number;
  readonly failed: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly firstByteP50: number;
  readonly firstByteP99: number;
}

export async function measure(load: Load, { atOnce, seconds }: { atOnce: number; seconds: number }): Promise<Measured> {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const whole: number[] = [];
  const first: number[] = [];
  let failed = 0;
  const started = performance.now();
  const until = started + seconds * 1000;
  const worker = async (): Promise<void> => {
    while (performance.now() < until) {
      const { ok, firstByteMs, totalMs } = await once(load, agent);
      if (!ok) failed += 1;
      first.push(firstByteMs);
      whole.push(totalMs);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const elapsed = (performance.now() - started) / 1000;
  agent.destroy();
  return {
    requests: whole.length,
    failed,
    perSecond: whole.length / elapsed,
    p50: quantile(whole, 0.5),
    p99: quantile(whole, 0.99),
    firstByteP50: quantile(first, 0.5),
    firstByteP99: quantile(first, 0.99),
  };
}

function once(load: Load, agent: Agent): Promise<{ ok: boolean; firstByteMs: number; totalMs: number }> {
  return new Promise((resolve) => {
    const began = performance.now();
    let firstByteMs = 0;
    const headers = { ...load.headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(load.body) };
    const sent = request(load.url, { method: 'POST', agent, headers }, (response) => {
      response.on('data', () => {
        if (firstByteMs === 0) firstByteMs = performance.now() - began;
      });
      response.on('end', () =>
        resolve({ ok: response.statusCode === 200, firstByteMs, totalMs: performance.now() - began }),
      );
      response.on('error', () => resolve({ ok: false, firstByteMs, totalMs: performance.now() - began }));
    });
    sent.on('error', () => resolve({ ok: false, firstByteMs, totalMs: performance.now() - began }));
    sent.end(load.body);
  });
}

function quantile(values: number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * q), sorted.length - 1)] ?? 0;
}
