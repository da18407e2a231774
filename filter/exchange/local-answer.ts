/** What the gateway answers of its own: the list of models, and a count that no provider makes. */

import { Fault } from '../fault.ts';
import { estimateTokens } from '../observability/estimate.ts';
import { openTo } from '../routing/route.ts';
import { type ModelListStyle, modelListPath, renderModel, renderModels } from '../transform/model-list/model-list.ts';
import type { Exchange } from './exchange.ts';
import type { HeaderView, OwnAnswer } from './http.ts';
import { gatewayHeaders } from './refuse.ts';

/** @returns undefined for a path that lists no models @throws Fault `alias_unknown` for one that is not the caller's */
export function answerModelList(exchange: Exchange, headers: HeaderView): OwnAnswer | undefined {
  const asked = modelListPath(exchange.line.path);
  if (asked === undefined) return undefined;
  const { caller, policy } = exchange;
  if (caller === undefined) throw new Error('a list for nobody');
  const method = headers.get(':method');
  if (method !== 'GET') throw new Fault('method_not_allowed', `${exchange.line.path} takes GET, not ${method}.`);
  const style = styleOf(asked.style, headers);
  const aliases = openTo(policy, caller);
  if (asked.id === undefined) return ownAnswer(exchange, JSON.stringify(renderModels(style, aliases, exchange.line)));
  if (!aliases.some((alias) => alias === asked.id)) {
    const shown = JSON.stringify(asked.id.slice(0, 64));
    throw new Fault('alias_unknown', `The model alias ${shown} does not exist or is not open to this caller key.`, {
      param: 'model',
    });
  }
  return ownAnswer(exchange, JSON.stringify(renderModel(style, asked.id)));
}

/** Three vendors list their models at one path; their SDKs tell who asks. */
function styleOf(byPath: ModelListStyle, headers: HeaderView): ModelListStyle {
  if (headers.get('anthropic-version') !== undefined) return 'anthropic';
  return headers.get('x-goog-api-key') === undefined ? byPath : 'gemini';
}

/** An estimate, marked as one: no target of the alias counts tokens. */
export function answerCount(exchange: Exchange): OwnAnswer {
  const { callerSchema, original } = exchange;
  if (callerSchema?.operation !== 'count_tokens' || original === undefined) throw new Error('nobody asked for a count');
  // What is wrong with the body is told, as a provider would.
  original.unified ??= callerSchema.parseRequest(original);
  const { messages, system, tools } = original.json;
  const body = callerSchema.encodeCount(estimateTokens(JSON.stringify([messages, system, tools]).length));
  return ownAnswer(exchange, body, [['x-gateway-token-count', 'estimated']]);
}

function ownAnswer(exchange: Exchange, body: string, headers: OwnAnswer['headers'] = []): OwnAnswer {
  exchange.status = 200;
  exchange.responseBytes = Buffer.byteLength(body);
  exchange.bodies?.keepAnswer(body);
  return { status: 200, headers: [['content-type', 'application/json'], ...gatewayHeaders(exchange), ...headers], body };
}
