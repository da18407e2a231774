/** Credentials of a policy document: one kind each, with all that its source needs, and nothing that it would ignore. */
import { resolve } from 'node:path';
import { parseDuration } from '../quantities.ts';
import type {
  AwsSource,
  AzureSource,
  CredentialSource,
  GoogleCredential,
  KeySource,
  SecretSource,
} from './compiled/credential.ts';
import type {
  AwsDocument,
  AzureDocument,
  CredentialDocument,
  ExecDocument,
  GoogleDocument,
  Place,
  Problem,
  SecretDocument,
} from './document.ts';

interface Context {
  /** Of the credential. */
  readonly name: string;
  readonly at: Place;
  readonly baseDirectory: string;
  readonly problems: Problem[];
}

const KINDS = ['file', 'env', 'exec', 'aws', 'google', 'azure'] as const;
/** The kinds whose key is sent as it is. */
const PLAIN_KINDS = ['file', 'env', 'exec'] as const;

const EXEC_TIMEOUT_MS = 10_000;
/** Below the time that any source has. */
const MAX_EXEC_TIMEOUT_MS = 25_000;

/** Fields by source: those that it cannot do without, and those that it may have. */
const AWS_FIELDS = {
  static: { needs: ['access_key_id', 'secret_access_key'], takes: ['session_token', 'role_arn'] },
  default: { needs: [], takes: ['profile', 'role_arn'] },
  profile: { needs: [], takes: ['profile', 'role_arn'] },
  web_identity: { needs: [], takes: ['role_arn', 'token_file'] },
  container: { needs: [], takes: ['role_arn'] },
  imds: { needs: [], takes: ['role_arn'] },
} as const;
const GOOGLE_FIELDS = {
  service_account: { needs: ['file'], takes: [] },
  workload_identity: { needs: ['file'], takes: [] },
  metadata: { needs: [], takes: [] },
  default: { needs: [], takes: [] },
} as const;
const AZURE_FIELDS = {
  client_secret: { needs: ['tenant_id', 'client_id', 'secret'], takes: ['scope', 'authority'] },
  federated_token: { needs: [], takes: ['tenant_id', 'client_id', 'token_file', 'scope', 'authority'] },
  managed_identity: { needs: [], takes: ['client_id', 'scope'] },
} as const;

const AZURE_SCOPE = 'https://cognitiveservices.azure.com/.default';

/** @returns something of the right shape even when it adds to the problems: they end the policy */
export function compileCredential(document: CredentialDocument, context: Context): CredentialSource {
  const { at, problems } = context;
  const kinds = KINDS.filter((kind) => document[kind] !== undefined);
  if (kinds.length !== 1) problems.push({ at, message: `expected exactly one of ${KINDS.join(', ')}` });
  if (document.header !== undefined && PLAIN_KINDS.every((kind) => document[kind] === undefined))
    problems.push({ at: [...at, 'header'], message: 'only a key from file, env or exec has one' });
  if (document.format !== undefined && document.file === undefined)
    problems.push({ at: [...at, 'format'], message: 'only a key from a file has one' });
  if (document.aws !== undefined) return compileAws(document.aws, { ...context, at: [...at, 'aws'] });
  if (document.google !== undefined) return compileGoogle(document.google, { ...context, at: [...at, 'google'] });
  if (document.azure !== undefined) return compileAzure(document.azure, { ...context, at: [...at, 'azure'] });
  return { kind: 'key', secret: keySource(document, context), header: document.header };
}

function keySource(document: CredentialDocument, context: Context): KeySource {
  if (document.exec !== undefined) return execSource(document.exec, context);
  if (document.file === undefined || document.format !== 'sds') return secretSource(document, context);
  return { from: 'sds', path: resolve(context.baseDirectory, document.file), secret: context.name };
}

function execSource({ command, env = [], timeout }: ExecDocument, { at, baseDirectory, problems }: Context): KeySource {
  const [program = '', ...rest] = command;
  const timeoutMs = parseDuration(timeout) ?? EXEC_TIMEOUT_MS;
  if (timeoutMs === 0 || timeoutMs > MAX_EXEC_TIMEOUT_MS)
    problems.push({
      at: [...at, 'exec', 'timeout'],
      message: `expected more than 0s, at most ${MAX_EXEC_TIMEOUT_MS / 1000}s`,
    });
  const path = program.startsWith('.') ? resolve(baseDirectory, program) : program;
  return { from: 'exec', command: [path, ...rest], variables: env, timeoutMs };
}

function compileAws(document: AwsDocument, context: Context): CredentialSource {
  checkFields(document, AWS_FIELDS[document.source], ['region', 'service', 'source'], context);
  return Object.freeze({
    kind: 'aws',
    region: document.region,
    service: document.service ?? 'bedrock',
    source: awsSource(document, context),
    roleArn: document.role_arn,
  });
}

function awsSource(document: AwsDocument, context: Context): AwsSource {
  switch (document.source) {
    case 'static':
      return {
        kind: 'static',
        keys: {
          accessKeyId: secretSource(document.access_key_id, context),
          secretAccessKey: secretSource(document.secret_access_key, context),
          sessionToken: document.session_token && secretSource(document.session_token, context),
        },
      };
    case 'default':
    case 'profile':
      return { kind: document.source, profile: document.profile };
    case 'web_identity':
      return { kind: 'web_identity', tokenFile: path(document.token_file, context) };
    case 'container':
    case 'imds':
      return { kind: document.source };
  }
}

function compileGoogle(document: GoogleDocument, context: Context): GoogleCredential {
  checkFields(document, GOOGLE_FIELDS[document.source], ['source'], context);
  const { source } = document;
  return source === 'metadata' || source === 'default'
    ? { kind: 'google', source: { kind: source } }
    : { kind: 'google', source: { kind: source, file: path(document.file, context) ?? '' } };
}

function compileAzure(document: AzureDocument, context: Context): CredentialSource {
  checkFields(document, AZURE_FIELDS[document.source], ['source'], context);
  return { kind: 'azure', scope: document.scope ?? AZURE_SCOPE, source: azureSource(document, context) };
}

function azureSource(document: AzureDocument, context: Context): AzureSource {
  const application = {
    tenantId: document.tenant_id,
    clientId: document.client_id,
    authority: document.authority?.replace(/\/+$/, ''),
  };
  switch (document.source) {
    case 'client_secret':
      return { kind: 'client_secret', secret: secretSource(document.secret, context), ...application };
    case 'federated_token':
      return { kind: 'federated_token', tokenFile: path(document.token_file, context), ...application };
    case 'managed_identity':
      return { kind: 'managed_identity', clientId: document.client_id };
  }
}

/** What a source would ignore is refused: whoever wrote it believes that it counts. */
function checkFields(
  document: object & { readonly source: string },
  { needs, takes }: { readonly needs: readonly string[]; readonly takes: readonly string[] },
  common: readonly string[],
  { at, problems }: Context,
): void {
  const given = Object.keys(document);
  for (const field of needs) {
    if (!given.includes(field))
      problems.push({ at: [...at, field], message: `is missing; source ${document.source} needs it` });
  }
  for (const field of given) {
    if (needs.includes(field) || takes.includes(field) || common.includes(field)) continue;
    problems.push({ at: [...at, field], message: `source ${document.source} does not use it` });
  }
}

function secretSource(document: SecretDocument | undefined, { baseDirectory }: Context): SecretSource {
  return document?.file === undefined
    ? { from: 'env', variable: document?.env ?? '' }
    : { from: 'file', path: resolve(baseDirectory, document.file) };
}

function path(file: string | undefined, { baseDirectory }: Context): string | undefined {
  return file === undefined ? undefined : resolve(baseDirectory, file);
}

/** A signature holds for one region and one service; on another's host every request would fail with 403. */
export function refuseForeignHost(
  host: string | undefined,
  credential: CredentialSource | undefined,
  at: Place,
  problems: Problem[],
): void {
  if (host === undefined || credential?.kind !== 'aws') return;
  const named = /\.([a-z]{2}(?:-[a-z]+)+-[0-9]+)\./.exec(host)?.[1];
  if (named !== undefined && named !== credential.region)
    problems.push({ at, message: `is in ${named}; its credential signs for ${credential.region}` });
  const service = /^(bedrock-mantle|bedrock-runtime)[.-]/.exec(host)?.[1]?.replace('-runtime', '');
  if (service !== undefined && service !== credential.service)
    problems.push({ at, message: `is a host of ${service}; its credential signs for the service ${credential.service}` });
}
