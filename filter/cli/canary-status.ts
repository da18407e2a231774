/** The canaries of a running filter, from its metrics. */
import { type Sample, samplesOf } from './live-state.ts';

/** @returns rows of alias, target, state, slice, first attempts, failed */
export async function readCanaries(adminUrl: string): Promise<string[][]> {
  const response = await fetch(new URL('/metrics', adminUrl), { signal: AbortSignal.timeout(5_000) });
  const samples = samplesOf(await response.text());
  const attempts = (alias: string, slice: string, outcome: string): number =>
    samples.find(
      ({ name, labels }: Sample) =>
        name === 'gateway_canary_first_attempts' &&
        labels['alias'] === alias &&
        labels['slice'] === slice &&
        labels['outcome'] === outcome,
    )?.value ?? 0;
  return samples
    .filter(({ name, value }) => name === 'gateway_canary_state' && value === 1)
    .flatMap(({ labels: { alias = '', target = '', state = '' } }) =>
      ['canary', 'stable'].map((slice) => {
        const failed = attempts(alias, slice, 'failed');
        return [alias, target, state, slice, String(failed + attempts(alias, slice, 'ok')), String(failed)];
      }),
    );
}
