/** A policy with a target and an alias for every provider schema, and for every platform that carries one. */
import type { Platform } from '../../filter/prices/rates.ts';
import { changedPolicy } from './policy.ts';

interface TargetSketch {
  readonly cluster: string;
  readonly schema: string;
  readonly model: string;
  readonly credential: string;
  readonly base_path?: string;
  readonly query?: string;
  readonly base_model?: string;
  readonly price_platform?: Platform;
  readonly capabilities?: Record<string, unknown>;
}

const VERTEX = '/v1/projects/p1/locations/europe-west1/publishers';
/** The mocks' Claude takes what the tests send, whatever the newest one does. */
const LENIENT = { sampling: 'accepted', structured_output: 'native' };

/** Alias -> its only target. */
export const CHAT_TARGETS: Readonly<Record<string, TargetSketch>> = {
  'openai-chat': { cluster: 'openai', schema: 'openai-chat', model: 'gpt-5.6-luna', credential: 'openai' },
  'openai-responses': { cluster: 'openai', schema: 'openai-responses', model: 'gpt-5.6-luna', credential: 'openai' },
  'azure-deployment': {
    ...{ cluster: 'azure', schema: 'azure-openai-chat', model: 'luna-prod', credential: 'azure' },
    ...{ base_model: 'gpt-5.6-luna', query: 'api-version=2024-10-21' },
  },
  'azure-v1': {
    ...{ cluster: 'azure', schema: 'openai-chat', model: 'gpt-5.6-luna', credential: 'azure', base_path: '/openai/v1' },
  },
  anthropic: {
    ...{ cluster: 'anthropic', schema: 'anthropic-messages', model: 'claude-haiku-5-5', credential: 'anthropic' },
    capabilities: LENIENT,
  },
  'bedrock-converse': {
    ...{ cluster: 'bedrock', schema: 'bedrock-converse', model: 'eu.anthropic.claude-haiku-5-5', credential: 'aws' },
    capabilities: LENIENT,
  },
  'bedrock-converse-arn': {
    ...{ cluster: 'bedrock', schema: 'bedrock-converse', credential: 'aws', base_model: 'anthropic.claude-haiku-5-5' },
    model: 'arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc',
    // What is known of the base model stands: JSON to a schema goes through a tool.
    capabilities: { sampling: 'accepted' },
  },
  'bedrock-invoke': {
    ...{ cluster: 'bedrock', schema: 'bedrock-anthropic', model: 'eu.anthropic.claude-haiku-5-5', credential: 'aws' },
    capabilities: LENIENT,
  },
  'bedrock-openai-shaped': {
    ...{ cluster: 'bedrock', schema: 'openai-chat', model: 'gpt-5.6-luna', credential: 'aws', base_path: '/openai/v1' },
  },
  'bedrock-anthropic-shaped': {
    ...{ cluster: 'bedrock', schema: 'anthropic-messages', model: 'claude-haiku-5-5', credential: 'aws' },
    ...{ base_path: '/anthropic/v1', capabilities: LENIENT },
  },
  'vertex-gemini': {
    ...{
      cluster: 'vertex',
      schema: 'gemini',
      model: 'gemini-3.8-flash',
      credential: 'vertex',
      base_path: `${VERTEX}/google`,
    },
    capabilities: LENIENT,
  },
  'vertex-claude': {
    ...{ cluster: 'vertex', schema: 'vertex-anthropic', model: 'claude-haiku-5-5', credential: 'vertex' },
    ...{ base_path: `${VERTEX}/anthropic`, capabilities: LENIENT },
  },
  'gemini-api': {
    ...{ cluster: 'gemini', schema: 'gemini', model: 'gemini-3.8-flash', credential: 'gemini', capabilities: LENIENT },
  },
  local: { cluster: 'local', schema: 'openai-chat', model: 'gpt-5.6-luna', credential: 'local' },
};

export const OTHER_TARGETS: Readonly<Record<string, TargetSketch>> = {
  'embed-openai': { cluster: 'openai', schema: 'openai-embeddings', model: 'text-embedding-3-small', credential: 'openai' },
  'embed-azure': {
    ...{ cluster: 'azure', schema: 'azure-openai-embeddings', model: 'embed-prod', credential: 'azure' },
    query: 'api-version=2024-10-21',
  },
  'embed-titan': {
    ...{ cluster: 'bedrock', schema: 'bedrock-titan-embeddings', model: 'amazon.titan-embed-text-v2:0', credential: 'aws' },
  },
  'embed-cohere': {
    ...{ cluster: 'bedrock', schema: 'bedrock-cohere-embeddings', model: 'cohere.embed-v4:0', credential: 'aws' },
  },
  'embed-vertex': {
    ...{ cluster: 'vertex', schema: 'vertex-embeddings', model: 'text-embedding-005', credential: 'vertex' },
    base_path: `${VERTEX}/google`,
  },
  'embed-gemini': {
    ...{ cluster: 'vertex', schema: 'vertex-embeddings', model: 'gemini-embedding-2', credential: 'vertex' },
    base_path: `${VERTEX}/google`,
  },
  pictures: { cluster: 'openai', schema: 'openai-pass-through', model: 'gpt-image-2.5-flare', credential: 'openai' },
  painter: {
    ...{ cluster: 'openai', schema: 'openai-pass-through', model: 'flux.2-pro', credential: 'openai' },
    price_platform: 'azure',
  },
  listener: { cluster: 'openai', schema: 'openai-pass-through', model: 'gpt-transcribe', credential: 'openai' },
  speaker: { cluster: 'openai', schema: 'openai-pass-through', model: 'gpt-speech', credential: 'openai' },
  moderator: { cluster: 'openai', schema: 'openai-pass-through', model: 'omni-moderation-latest', credential: 'openai' },
  completer: { cluster: 'openai', schema: 'openai-pass-through', model: 'gpt-5.6-luna', credential: 'openai' },
  ranker: { cluster: 'openai', schema: 'openai-pass-through', model: 'rerank-v4', credential: 'openai' },
  'cohere-ranker': {
    ...{ cluster: 'openai', schema: 'openai-pass-through', model: 'rerank-v3.5', credential: 'openai' },
    price_platform: 'cohere',
  },
};

/** @returns path of the policy */
export function everyProviderPolicy(): string {
  return changedPolicy((policy) => {
    const secret = {
      access_key_id: { env: 'MOCK_AWS_ACCESS_KEY_ID' },
      secret_access_key: { env: 'MOCK_AWS_SECRET_ACCESS_KEY' },
    };
    policy.credentials = {
      ...policy.credentials,
      local: { env: 'MOCK_OPENAI_KEY' },
      azure: { env: 'MOCK_AZURE_KEY', header: 'api-key' },
      gemini: { env: 'MOCK_GOOGLE_KEY' },
      vertex: { env: 'MOCK_GOOGLE_KEY', header: 'authorization' },
      aws: { aws: { region: 'eu-central-1', source: 'static', ...secret } },
    };
    for (const [name, target] of Object.entries({ ...CHAT_TARGETS, ...OTHER_TARGETS })) {
      policy.targets[name] = target;
      policy.aliases[name] = { chain: [name] };
    }
    // The first target of each is away; the next speaks another schema again.
    policy.aliases['across'] = { chain: ['gpt-overloaded', 'bedrock-converse'] };
    policy.aliases['guarded-clouds'] = {
      chain: ['bedrock-converse', 'vertex-gemini', 'bedrock-invoke', 'anthropic'],
      guard: { first_content: '2s' },
    };
    policy.aliases['across-signed'] = { chain: ['claude-overloaded', 'vertex-gemini', 'bedrock-invoke'] };
  });
}
