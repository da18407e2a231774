/** Envoy in a container, for the same tests: `TEST_ENVOY=container`. It shares the host's network and the run's folder. */
import { GenericContainer, StartupCheckStrategy, type StartupStatus } from 'testcontainers';
import type { Running } from './running.ts';

const IMAGE = process.env['TEST_ENVOY_IMAGE'] ?? 'envoyproxy/envoy:v1.40.0';

/** Whether Envoy is ready is asked of Envoy itself, as with the local binary. */
class Created extends StartupCheckStrategy {
  override async checkStartupState(): Promise<StartupStatus> {
    return 'SUCCESS';
  }
}

export async function startEnvoyContainer(args: readonly string[], directory: string): Promise<Running> {
  const container = await new GenericContainer(IMAGE)
    .withNetworkMode('host')
    .withBindMounts([{ source: directory, target: directory }])
    // The filter's socket and the run's folder belong to whoever runs the tests.
    .withUser(`${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`)
    .withEnvironment({ ENVOY_UID: String(process.getuid?.() ?? 0) })
    .withEntrypoint(['envoy'])
    .withCommand([...args])
    .withWaitStrategy(new Created())
    .withAutoRemove(true)
    .start()
    .catch((error: unknown) => {
      throw new Error(
        `Envoy's container (${IMAGE}) could not start; TEST_ENVOY_IMAGE names another image: ${String(error)}`,
      );
    });
  let ended = (_how: string): void => undefined;
  const exited = new Promise<string>((resolve) => {
    ended = resolve;
  });
  return {
    pid: 0,
    exited,
    async stop() {
      await container.stop({ timeout: 5_000 });
      ended('Envoy was stopped');
    },
  };
}
