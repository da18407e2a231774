/** Bodies that a tenant wants recorded, from the request's until the answer's end. */
import type { Exchange } from './exchange.ts';

export function keepRequestBody(exchange: Exchange, bytes: Buffer): void {
  const { gateway, policy, caller } = exchange;
  if (gateway.bodies === undefined || policy.recordedBodies.size === 0 || caller === undefined) return;
  const recording = policy.recordedBodies.get(caller.tenant);
  if (recording === undefined || (recording.share < 1 && Math.random() >= recording.share)) return;
  exchange.bodies = gateway.bodies.begin(recording);
  exchange.bodies.keepRequest(bytes);
}

export function recordBodies(exchange: Exchange): void {
  const { bodies, gateway, id, receivedAt, caller, alias, callerSchema } = exchange;
  if (bodies === undefined) return;
  const of = {
    ...{ request_id: id, time: new Date(receivedAt).toISOString(), tenant: caller?.tenant ?? null },
    ...{ alias: alias?.name ?? null, caller_schema: callerSchema?.name ?? null },
  };
  gateway.bodies?.add(of, bodies);
}
