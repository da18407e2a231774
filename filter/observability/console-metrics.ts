/** The console, as Prometheus sees it. */
import { Counter, type Registry } from 'prom-client';

export type SignIns = Readonly<Record<'accepted' | 'refused' | 'too_many', number>>;

export function registerConsoleMetrics(registry: Registry, signIns: () => SignIns): void {
  new Counter({
    name: 'gateway_console_sign_ins_total',
    help: 'Sign-ins to the console by result, and tokens of scripts that were not taken.',
    labelNames: ['result'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [result, count] of Object.entries(signIns())) this.inc({ result }, count);
    },
  });
}
