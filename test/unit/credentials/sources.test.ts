import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { type Credentials, loadCredentials, type OutgoingRequest } from '../../../filter/credentials/credentials.ts';
import { Fault } from '../../../filter/fault.ts';
import type { CredentialSource } from '../../../filter/policy/compiled/credential.ts';
import type { ClusterName, CredentialName } from '../../../filter/policy/compiled/names.ts';
import type { HeaderPairs } from '../../../filter/transform/schema.ts';
import { verifySigV4 } from '../../providers/aws-signature.ts';
import { KNOWN } from '../../providers/token-endpoint.ts';
import { startTokenServer, type TokenServer } from '../../providers/token-server.ts';

const REQUEST: OutgoingRequest = {
  method: 'POST',
  host: undefined,
  path: '/model/anthropic.claude-v1%3A0/converse',
  headers: [['content-type', 'application/json']],
  body: Buffer.from('{}'),
};
const NAME = 'it' as CredentialName;
const CLUSTER = 'c' as ClusterName;
const SCOPE = `${KNOWN.azure.resource}/.default`;

const byKey = (): HeaderPairs => {
  throw new Error('no plain key is asked for');
};

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(20)) if (await condition()) return;
  throw new Error(`waited in vain: ${what}`);
}

describe('where credentials come from', function () {
  this.timeout(30_000);
  const directory = mkdtempSync(join(tmpdir(), 'credentials-test-'));
  const file = (name: string, content: string): string => {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  };
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const savedEnvironment = { ...process.env };
  let server: TokenServer;
  let credentials: Credentials | undefined;
  let logged: string[];

  /** What libraries read for themselves. */
  const setEnvironment = (variables: Readonly<Record<string, string>>): void => {
    Object.assign(process.env, variables);
  };
  const load = (source: CredentialSource, environment: NodeJS.ProcessEnv = {}): Credentials => {
    const say = (fields: object, message: string) => void logged.push(`${message} ${JSON.stringify(fields)}`);
    const key = {
      name: NAME,
      source,
      state: 'active',
      tenants: 'all',
      retestMs: 30_000,
      clusters: new Set([CLUSTER]),
    } as const;
    credentials = loadCredentials({ credentials: new Map([[NAME, key]]) }, environment, { log: { info: say, warn: say } });
    return credentials;
  };
  const authorize = async (from: Credentials) => Object.fromEntries(await from.authorize(NAME, CLUSTER, byKey, REQUEST));

  beforeEach(async () => {
    server = await startTokenServer(publicKey);
    logged = [];
    for (const name of Object.keys(process.env))
      if (/^(AWS|AZURE|GOOGLE|GCE|IDENTITY)_/.test(name)) delete process.env[name];
    // Nothing of the machine's own is found.
    setEnvironment({
      AWS_CONFIG_FILE: join(directory, 'no-config'),
      AWS_SHARED_CREDENTIALS_FILE: join(directory, 'no-credentials'),
      CLOUDSDK_CONFIG: join(directory, 'no-gcloud'),
    });
  });
  afterEach(async () => {
    credentials?.close();
    await server.close();
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, savedEnvironment);
  });
  after(() => rmSync(directory, { recursive: true }));

  const googleKey = (): string =>
    JSON.stringify({
      type: 'service_account',
      client_email: KNOWN.google.email,
      private_key: privateKey,
      private_key_id: 'k1',
      token_uri: `${server.url}/google/token`,
    });
  const googleFederation = (): string =>
    JSON.stringify({
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `${server.url}/google/sts/v1/token`,
      service_account_impersonation_url: `${server.url}/google/iam/v1/projects/-/serviceAccounts/${KNOWN.google.email}:generateAccessToken`,
      credential_source: { file: file('google-subject', KNOWN.google.subjectToken) },
    });

  const application = (tenantId: string | undefined = KNOWN.azure.tenantId) => ({
    tenantId,
    clientId: KNOWN.azure.clientId,
    authority: server.url,
  });
  const azureSecret = (): CredentialSource => ({
    kind: 'azure',
    scope: SCOPE,
    source: { kind: 'client_secret', secret: { from: 'env', variable: 'SECRET' }, ...application() },
  });

  interface Case {
    readonly what: string;
    source(): CredentialSource;
    readonly environment?: () => NodeJS.ProcessEnv;
    readonly gives: RegExp;
    /** What the endpoint needed to be shown; must be shown nowhere else. */
    readonly secrets: readonly string[];
    /** All are renewed by the same code; these show it for each library. */
    readonly renewal?: true;
  }
  const BEARERS: readonly Case[] = [
    {
      what: 'google service_account',
      source: () => ({ kind: 'google', source: { kind: 'service_account', file: file('sa.json', googleKey()) } }),
      gives: /^Bearer google-\d+$/,
      secrets: [privateKey.slice(60, 120)],
      renewal: true,
    },
    {
      what: 'google workload_identity',
      source: () => ({ kind: 'google', source: { kind: 'workload_identity', file: file('wi.json', googleFederation()) } }),
      gives: /^Bearer google-impersonated-\d+$/,
      secrets: [KNOWN.google.subjectToken, 'google-federated'],
    },
    {
      what: 'google metadata',
      source: () => {
        setEnvironment({ GCE_METADATA_HOST: server.url });
        return { kind: 'google', source: { kind: 'metadata' } };
      },
      gives: /^Bearer google-metadata-\d+$/,
      secrets: ['google-metadata'],
      renewal: true,
    },
    {
      what: 'google default',
      source: () => {
        setEnvironment({ GOOGLE_APPLICATION_CREDENTIALS: file('adc.json', googleFederation()) });
        return { kind: 'google', source: { kind: 'default' } };
      },
      gives: /^Bearer google-impersonated-\d+$/,
      secrets: [KNOWN.google.subjectToken, 'google-federated'],
    },
    {
      what: 'azure client_secret',
      source: azureSecret,
      environment: () => ({ SECRET: KNOWN.azure.secret }),
      gives: /^Bearer azure-\d+$/,
      secrets: [KNOWN.azure.secret],
      renewal: true,
    },
    {
      what: 'azure federated_token, all from the environment',
      source: () => ({
        kind: 'azure',
        scope: SCOPE,
        source: {
          kind: 'federated_token',
          tokenFile: undefined,
          tenantId: undefined,
          clientId: undefined,
          authority: undefined,
        },
      }),
      environment: () => ({
        AZURE_TENANT_ID: KNOWN.azure.tenantId,
        AZURE_CLIENT_ID: KNOWN.azure.clientId,
        AZURE_FEDERATED_TOKEN_FILE: file('azure-token', `${KNOWN.azure.assertion}\n`),
        AZURE_AUTHORITY_HOST: `${server.url}/`,
      }),
      gives: /^Bearer azure-\d+$/,
      secrets: [KNOWN.azure.assertion],
    },
    {
      what: 'azure managed_identity on a virtual machine',
      source: () => ({ kind: 'azure', scope: SCOPE, source: { kind: 'managed_identity', clientId: undefined } }),
      environment: () => ({ AZURE_POD_IDENTITY_AUTHORITY_HOST: server.url }),
      gives: /^Bearer azure-vm-\d+$/,
      secrets: ['azure-vm'],
    },
    {
      what: 'azure managed_identity on App Service',
      source: () => ({ kind: 'azure', scope: SCOPE, source: { kind: 'managed_identity', clientId: KNOWN.azure.clientId } }),
      environment: () => ({ IDENTITY_ENDPOINT: `${server.url}/msi/token`, IDENTITY_HEADER: KNOWN.azure.identityHeader }),
      gives: /^Bearer azure-app-\d+$/,
      secrets: [KNOWN.azure.identityHeader],
    },
  ];

  const aws = (source: (CredentialSource & { kind: 'aws' })['source'], roleArn?: string): CredentialSource => ({
    kind: 'aws',
    region: KNOWN.aws.region,
    service: 'bedrock',
    source,
    roleArn,
  });
  const staticKeys = {
    kind: 'static',
    keys: {
      accessKeyId: { from: 'env', variable: 'ID' },
      secretAccessKey: { from: 'env', variable: 'SECRET' },
      sessionToken: undefined,
    },
  } as const;
  const SESSIONS: readonly Case[] = [
    {
      what: 'aws web_identity',
      source: () => {
        setEnvironment({ AWS_ENDPOINT_URL_STS: server.url });
        return aws({ kind: 'web_identity', tokenFile: file('aws-token', KNOWN.aws.webIdentityToken) }, KNOWN.aws.roleArn);
      },
      gives: /^aws-sts-\d+$/,
      secrets: [KNOWN.aws.webIdentityToken],
      renewal: true,
    },
    {
      what: 'aws container',
      source: () => {
        setEnvironment({
          AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.url}/aws/container`,
          AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file('aws-container', KNOWN.aws.containerToken),
        });
        return aws({ kind: 'container' });
      },
      gives: /^aws-container-\d+$/,
      secrets: [KNOWN.aws.containerToken],
    },
    {
      what: 'aws imds',
      source: () => {
        setEnvironment({ AWS_EC2_METADATA_SERVICE_ENDPOINT: server.url, AWS_EC2_METADATA_V1_DISABLED: 'true' });
        return aws({ kind: 'imds' });
      },
      gives: /^aws-imds-\d+$/,
      secrets: [KNOWN.aws.sessionSecret],
      renewal: true,
    },
    {
      what: 'aws default, which finds a web identity',
      source: () => {
        setEnvironment({
          AWS_ENDPOINT_URL_STS: server.url,
          AWS_ROLE_ARN: KNOWN.aws.roleArn,
          AWS_WEB_IDENTITY_TOKEN_FILE: file('aws-token', KNOWN.aws.webIdentityToken),
        });
        return aws({ kind: 'default', profile: undefined });
      },
      gives: /^aws-sts-\d+$/,
      secrets: [KNOWN.aws.webIdentityToken],
    },
    {
      what: 'aws static, and a role assumed with it',
      source: () => {
        setEnvironment({ AWS_ENDPOINT_URL_STS: server.url });
        return aws(staticKeys, KNOWN.aws.roleArn);
      },
      environment: () => ({ ID: KNOWN.aws.accessKeyId, SECRET: KNOWN.aws.secretAccessKey }),
      gives: /^aws-sts-\d+$/,
      secrets: [KNOWN.aws.secretAccessKey],
    },
    {
      what: 'aws profile that assumes a role',
      source: () => {
        setEnvironment({
          AWS_ENDPOINT_URL_STS: server.url,
          AWS_SHARED_CREDENTIALS_FILE: file(
            'aws-credentials',
            `[base]\naws_access_key_id = ${KNOWN.aws.accessKeyId}\naws_secret_access_key = ${KNOWN.aws.secretAccessKey}\n` +
              `[work]\nrole_arn = ${KNOWN.aws.roleArn}\nsource_profile = base\nregion = ${KNOWN.aws.region}\n`,
          ),
        });
        return aws({ kind: 'profile', profile: 'work' });
      },
      gives: /^aws-sts-\d+$/,
      secrets: [KNOWN.aws.secretAccessKey],
    },
  ];

  /** The part of the headers that tells which token was used. */
  const shown = (headers: Readonly<Record<string, string>>): string =>
    headers['x-amz-security-token'] ?? headers['authorization'] ?? '';

  const verify = (headers: Readonly<Record<string, string>>, secretAccessKey: string, host: string, service = 'bedrock') =>
    verifySigV4(
      { host, 'content-type': 'application/json', ...headers },
      { method: 'POST', url: REQUEST.path, bytes: REQUEST.body },
      { region: KNOWN.aws.region, service, secretAccessKey },
    );

  for (const { what, source, environment = () => ({}), gives, secrets, renewal } of [...BEARERS, ...SESSIONS]) {
    const isAws = what.startsWith('aws');

    it(`${what}: gives what its endpoint issues, at once and from memory`, async () => {
      const from = load(source(), environment());
      await from.firstTries(10_000);
      expect(server.refused).to.deep.equal([]);
      const headers = await authorize(from);
      expect(shown(headers)).to.match(gives);
      if (isAws) {
        expect(verify(headers, KNOWN.aws.sessionSecret, 'bedrock-runtime.us-east-1.amazonaws.com')).to.equal(undefined);
      } else {
        expect(Object.keys(headers)).to.deep.equal(['authorization']);
        expect(from.authorize(NAME, CLUSTER, byKey, REQUEST), 'no promise').to.be.an('array');
      }
      const asked = server.asked.length;
      for (let request = 0; request < 5; request++) expect(shown(await authorize(from))).to.equal(shown(headers));
      expect(server.asked).to.have.length(asked);
      expect(logged).to.deep.equal([]);
    });

    if (renewal === undefined) continue;
    it(`${what}: is renewed ahead of its end; the old one serves while that fails; nothing is shown`, async () => {
      server.lifetimeSeconds = 3;
      const from = load(source(), environment());
      await from.firstTries(10_000);
      const first = shown(await authorize(from));
      const asked = server.asked.length;
      server.down = 'status_503';
      await until(() => server.asked.length > asked, 'a renewal');
      expect(shown(await authorize(from)), 'the old one serves').to.equal(first);
      server.down = 'hang_up';
      await until(() => logged.length > 0, 'a complaint');
      server.down = undefined;
      await until(async () => {
        try {
          return shown(await authorize(from)) !== first;
        } catch {
          return false;
        }
      }, 'a new one');
      expect(logged[0]).to.match(/^credential (cannot be renewed; the one held is still valid|is not available) /);
      expect(logged.at(-1)).to.equal('credential is available again {"credential":"it"}');
      const everything = [...logged, inspect(from, { depth: 9, showHidden: true }), JSON.stringify(from)].join();
      for (const secret of [...secrets, first.replace('Bearer ', '')]) expect(everything).to.not.include(secret);
    });
  }

  for (const down of ['status_503', 'not_json', 'hang_up'] as const) {
    it(`an endpoint that is away at the start (${down}) ends nothing: it is asked again until it answers`, async () => {
      server.down = down;
      const from = load(azureSecret(), { SECRET: KNOWN.azure.secret });
      await from.firstTries(10_000);
      expect(() => from.authorize(NAME, CLUSTER, byKey, REQUEST))
        .to.throw(Fault)
        .with.property('code', 'credential_unavailable');
      expect(logged).to.have.length(1);
      server.down = undefined;
      await until(() => logged.length > 1, 'recovery');
      expect(shown(await authorize(from))).to.match(/^Bearer azure-\d+$/);
    });
  }

  it('SigV4 without session credentials is refused before there is a promise: the chain can go on', async () => {
    const from = load(aws({ kind: 'web_identity', tokenFile: undefined }));
    expect(() => from.authorize(NAME, CLUSTER, byKey, REQUEST)).to.throw(Fault);
    await from.firstTries(10_000);
    expect(() => from.authorize(NAME, CLUSTER, byKey, REQUEST)).to.throw(Fault);
  });

  it('why it was refused is told in codes', async () => {
    const reasonOf = async (source: CredentialSource, environment: NodeJS.ProcessEnv = {}): Promise<string> => {
      logged = [];
      const from = load(source, environment);
      await from.firstTries(10_000);
      from.close();
      return logged.join();
    };
    expect(await reasonOf(azureSecret(), { SECRET: 'wrong-secret' })).to.equal(
      'credential is not available {"credential":"it","reason":"HTTP 401, invalid_client, AADSTS7000215"}',
    );
    setEnvironment({ AWS_ENDPOINT_URL_STS: server.url });
    expect(
      await reasonOf(aws({ kind: 'web_identity', tokenFile: file('aws-token', 'wrong-token') }, KNOWN.aws.roleArn)),
    ).to.include('InvalidIdentityToken');
    expect(await reasonOf(aws(staticKeys, KNOWN.aws.roleArn), { ID: 'AKID', SECRET: 'wrong-secret' })).to.include(
      'SignatureDoesNotMatch',
    );
    expect(await reasonOf(aws({ kind: 'profile', profile: 'none' }))).to.include(
      '"CredentialsProviderError, Could not resolve credentials using profile: [none]"',
    );
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    const wrong = file('sa.json', JSON.stringify({ ...JSON.parse(googleKey()), private_key: other }));
    expect(await reasonOf({ kind: 'google', source: { kind: 'service_account', file: wrong } })).to.include('invalid_grant');
    expect(
      await reasonOf({ kind: 'google', source: { kind: 'service_account', file: file('sa.json', '{"pri') } }),
    ).to.include('is not a JSON object');
    expect(
      await reasonOf({ kind: 'google', source: { kind: 'service_account', file: file('sa.json', googleFederation()) } }),
    ).to.include('is not of the type service_account');
  });

  describe('aws static', () => {
    const environment = { ID: KNOWN.aws.accessKeyId, SECRET: KNOWN.aws.secretAccessKey };

    it('signs for the host of its region and service, or the one that the target names', async () => {
      const from = load(
        { ...(aws(staticKeys) as CredentialSource & { kind: 'aws' }), service: 'bedrock-mantle' },
        environment,
      );
      await from.firstTries(10_000);
      const { secretAccessKey } = KNOWN.aws;
      const usual = await authorize(from);
      expect(verify(usual, secretAccessKey, 'bedrock-mantle.us-east-1.api.aws', 'bedrock-mantle')).to.equal(undefined);
      expect(usual).to.not.have.property('x-amz-security-token');
      const other = await from.authorize(NAME, CLUSTER, byKey, { ...REQUEST, host: 'vpce-1.example' });
      expect(verify(Object.fromEntries(other), secretAccessKey, 'vpce-1.example', 'bedrock-mantle')).to.equal(undefined);
    });

    it('sends its session token', async () => {
      const source = {
        ...staticKeys,
        keys: { ...staticKeys.keys, sessionToken: { from: 'env', variable: 'TOKEN' } },
      } as const;
      const from = load(aws(source), { ...environment, TOKEN: 'session' });
      await from.firstTries(10_000);
      expect(await authorize(from)).to.include({ 'x-amz-security-token': 'session' });
    });
  });
});
