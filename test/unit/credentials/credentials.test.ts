import { createHash } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { CredentialError, type Credentials, loadCredentials } from '../../../filter/credentials/credentials.ts';
import { CredentialProblem, reasonOf } from '../../../filter/credentials/problem.ts';
import type { ClusterName, CredentialName, TargetId } from '../../../filter/policy/compiled/names.ts';
import type { Policy } from '../../../filter/policy/compiled/policy.ts';
import type { Target } from '../../../filter/policy/compiled/target.ts';
import { loadPolicy, PolicyError } from '../../../filter/policy/load.ts';
import { KNOWN } from '../../providers/token-endpoint.ts';
import { startTokenServer } from '../../providers/token-server.ts';

const REQUEST = { method: 'POST', host: undefined, path: '/', headers: [], body: Buffer.alloc(0) } as const;

const CLUSTER = 'c' as ClusterName;

/** These tests ask for keys without a target that names them. */
function bound({ credentials }: Policy): Pick<Policy, 'credentials'> {
  return { credentials: new Map([...credentials].map(([name, key]) => [name, { ...key, clusters: new Set([CLUSTER]) }])) };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(5)) if (condition()) return;
  throw new Error(`waited in vain: ${what}`);
}

describe('credentials', () => {
  const directory = mkdtempSync(join(tmpdir(), 'credentials-test-'));
  const path = (name: string): string => join(directory, name);
  after(() => rmSync(directory, { recursive: true }));

  const policy = (credentials: string, target = 'cluster: c'): Policy => {
    writeFileSync(
      path('policy.yaml'),
      `version: 1
credentials:
${credentials}
targets:
  t: {${target}, schema: openai-chat, model: m, max_output_tokens: 10}
aliases:
  a: {chain: [t]}
tenants: {}
`,
    );
    return loadPolicy(path('policy.yaml'));
  };
  const keyOf = (from: Credentials, name: string) =>
    from.authorize(name as CredentialName, CLUSTER, (key) => [['x-schema-key', key]], REQUEST);

  let open: Credentials[] = [];
  const load = (text: string, environment: NodeJS.ProcessEnv = {}): Credentials => {
    const credentials = loadCredentials(bound(policy(text)), environment);
    open.push(credentials);
    return credentials;
  };
  afterEach(() => {
    mock.timers.reset();
    for (const credentials of open) credentials.close();
    open = [];
  });

  describe('plain keys', () => {
    it('go in the header of the schema, or in the one that the policy names', () => {
      writeFileSync(path('key'), 'from-file\n');
      const credentials = load(
        `  schema: {env: KEY}
  bearer: {env: KEY, header: authorization}
  azure: {env: KEY, header: api-key}
  anthropic: {env: KEY, header: x-api-key}
  google: {file: key, header: x-goog-api-key}`,
        { KEY: 'from-env' },
      );
      expect(keyOf(credentials, 'schema')).to.deep.equal([['x-schema-key', 'from-env']]);
      expect(keyOf(credentials, 'bearer')).to.deep.equal([['authorization', 'Bearer from-env']]);
      expect(keyOf(credentials, 'azure')).to.deep.equal([['api-key', 'from-env']]);
      expect(keyOf(credentials, 'anthropic')).to.deep.equal([['x-api-key', 'from-env']]);
      expect(keyOf(credentials, 'google')).to.deep.equal([['x-goog-api-key', 'from-file']]);
      expect(() => keyOf(credentials, 'other')).to.throw('no gateway key "other"');
    });

    it('are read again when their file changes, as Kubernetes changes it; a bad file changes nothing', async () => {
      mock.timers.enable({ apis: ['setTimeout', 'Date'] });
      writeFileSync(path('version-1'), 'key-1');
      writeFileSync(path('version-2'), 'key-2\n');
      const point = (to: string): void => {
        symlinkSync(path(to), path('link.new'));
        renameSync(path('link.new'), path('link'));
      };
      /** Lets mocked time pass until it is so; slowly, since reading a file takes time that is not mocked. */
      const passUntil = async (condition: () => boolean): Promise<void> => {
        const start = performance.now();
        for (let ticks = 0; performance.now() < start + 10_000; await new Promise((resolve) => setImmediate(resolve))) {
          if (condition()) return;
          if (performance.now() < start + ticks * 250) continue;
          mock.timers.tick(10_000);
          ticks += 1;
        }
        throw new Error(`waited in vain; ${logged.join()}`);
      };
      const isKey = (key: string) => () =>
        JSON.stringify(keyOf(credentials, 'k')) === JSON.stringify([['x-schema-key', key]]);
      const print = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 8);
      const changed = (before: string, now: string): string =>
        `the key has changed; the new one is in use {"credential":"k","fingerprint":"${print(now)}","before":"${print(before)}"}`;
      const logged: string[] = [];
      point('version-1');
      const say = (fields: object, message: string): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
      const credentials = loadCredentials(bound(policy('  k: {file: link}')), {}, { log: { info: say, warn: say } });
      open.push(credentials);
      expect(keyOf(credentials, 'k')).to.deep.equal([['x-schema-key', 'key-1']]);
      point('version-2');
      await passUntil(isKey('key-2'));
      expect(logged).to.deep.equal([changed('key-1', 'key-2')]);
      writeFileSync(path('version-2'), 'key-3 and-more');
      await passUntil(() => logged.length > 1);
      rmSync(path('link'));
      await passUntil(() => logged.length > 2);
      expect(keyOf(credentials, 'k')).to.deep.equal([['x-schema-key', 'key-2']]);
      expect(logged.slice(1).join()).to.include('holds white space').and.not.include('key-');
      point('version-1');
      await passUntil(isKey('key-1'));
      expect(logged.slice(3)).to.deep.equal([changed('key-2', 'key-1'), 'credential is available again {"credential":"k"}']);
    });
  });

  it('all that is missing is named at the start, with where it was looked for', () => {
    writeFileSync(path('policy-file'), '');
    const run = () =>
      load(
        `  plain: {env: A}
  empty: {file: policy-file}
  aws: {aws: {region: us-east-1, source: static, access_key_id: {env: B}, secret_access_key: {file: none-1}}}
  irsa: {aws: {region: us-east-1, source: web_identity, token_file: none-2}}
  vertex: {google: {source: service_account, file: none-3}}
  entra: {azure: {source: client_secret, tenant_id: t, client_id: c, secret: {env: C}}}
  aks: {azure: {source: federated_token}}
  fine: {env: D}`,
        { D: 'fine' },
      );
    expect(run).to.throw(CredentialError);
    let said: string[] = [];
    try {
      run();
    } catch (error) {
      said = String(error instanceof Error ? error.message : error)
        .replaceAll(directory, 'D')
        .split('\n');
    }
    expect(said).to.deep.equal([
      'credential "plain": environment variable A is not set or empty',
      'credential "empty": file D/policy-file is not set or empty',
      'credential "aws": environment variable B is not set or empty',
      'credential "irsa": cannot read file D/none-2: ENOENT: no such file or directory, access \'D/none-2\'',
      'credential "vertex": cannot read file D/none-3: ENOENT: no such file or directory, access \'D/none-3\'',
      'credential "entra": environment variable C is not set or empty',
      'credential "aks": neither token_file nor the environment variable AZURE_FEDERATED_TOKEN_FILE is set',
    ]);
  });

  it('one that a provider refused is renewed early; one that cannot be, is not', async () => {
    const server = await startTokenServer();
    const credentials = load(
      `  entra: {azure: {source: client_secret, tenant_id: ${KNOWN.azure.tenantId}, client_id: ${KNOWN.azure.clientId}, secret: {env: S}, authority: '${server.url}'}}
  plain: {env: S}`,
      { S: KNOWN.azure.secret },
    );
    const target = { id: 't' as TargetId, credentials: [] as readonly CredentialName[] } as Target;
    const refused = (name: string): unknown =>
      credentials.turnedDown({ name: name as CredentialName, fingerprint: undefined }, target, {
        ...{ kind: 'refused', where: 'everywhere', status: 401 },
      });
    try {
      await credentials.firstTries(10_000);
      expect(keyOf(credentials, 'entra')).to.deep.equal([['authorization', 'Bearer azure-1']]);
      refused('entra');
      refused('plain');
      refused('other');
      expect(keyOf(credentials, 'entra')).to.deep.equal([['authorization', 'Bearer azure-1']]);
      mock.timers.enable({ apis: ['Date'], now: Date.now() + 31_000 });
      for (let answer = 0; answer < 20; answer++) refused('entra');
      mock.timers.reset();
      await until(() => server.asked.length === 2, 'an early renewal');
      await until(() => JSON.stringify(keyOf(credentials, 'entra')).includes('azure-2'), 'the new token');
      expect(server.asked).to.have.length(2);
      expect(inspect(credentials, { depth: 9, showHidden: true })).to.not.include('azure-2');
    } finally {
      await server.close();
    }
  });

  it('the first tries are waited for no longer than is asked', async () => {
    const credentials = load(
      "  entra: {azure: {source: client_secret, tenant_id: t, client_id: c, secret: {env: S}, authority: 'https://192.0.2.1'}}",
      { S: 's' },
    );
    const began = performance.now();
    await credentials.firstTries(50);
    expect(performance.now() - began).to.be.lessThan(5_000);
  });

  describe('in the policy', () => {
    const problems = (credentials: string, target?: string): string => {
      try {
        policy(credentials, target);
      } catch (error) {
        if (error instanceof PolicyError) return error.message.replaceAll(path('policy.yaml'), 'P');
        throw error;
      }
      return '';
    };

    it('have one kind each, with paths from the policy file on', () => {
      const { credentials } = policy(`  key: {file: sub/key, header: api-key}
  bedrock: {aws: {region: eu-west-1, source: default}}
  mantle:
    aws: {region: us-gov-west-1, service: bedrock-mantle, source: static, access_key_id: {env: A}, secret_access_key: {file: s}, role_arn: 'arn:aws:iam::1:role/x'}
  vertex: {google: {source: workload_identity, file: wi.json}}
  metadata: {google: {source: metadata}}
  entra: {azure: {source: managed_identity}}
  sovereign: {azure: {source: federated_token, tenant_id: t, scope: 'https://ai.azure.com/.default', authority: 'https://login.microsoftonline.us/'}}`);
      expect(Object.fromEntries([...credentials].map(([name, { source }]) => [name, source]))).to.deep.equal({
        key: { kind: 'key', secret: { from: 'file', path: path('sub/key') }, header: 'api-key' },
        bedrock: {
          kind: 'aws',
          region: 'eu-west-1',
          service: 'bedrock',
          source: { kind: 'default', profile: undefined },
          roleArn: undefined,
        },
        mantle: {
          kind: 'aws',
          region: 'us-gov-west-1',
          service: 'bedrock-mantle',
          source: {
            kind: 'static',
            keys: {
              accessKeyId: { from: 'env', variable: 'A' },
              secretAccessKey: { from: 'file', path: path('s') },
              sessionToken: undefined,
            },
          },
          roleArn: 'arn:aws:iam::1:role/x',
        },
        vertex: { kind: 'google', source: { kind: 'workload_identity', file: path('wi.json') } },
        metadata: { kind: 'google', source: { kind: 'metadata' } },
        entra: {
          kind: 'azure',
          scope: 'https://cognitiveservices.azure.com/.default',
          source: { kind: 'managed_identity', clientId: undefined },
        },
        sovereign: {
          kind: 'azure',
          scope: 'https://ai.azure.com/.default',
          source: {
            kind: 'federated_token',
            tokenFile: undefined,
            tenantId: 't',
            clientId: undefined,
            authority: 'https://login.microsoftonline.us',
          },
        },
      });
    });

    for (const [what, credentials, said] of [
      [
        'no kind',
        'x: {header: api-key}',
        'P:3:6: credentials.x: expected exactly one of file, env, exec, aws, google, azure',
      ],
      ['two kinds', 'x: {env: A, google: {source: metadata}}', 'credentials.x: expected exactly one of'],
      ['nothing', 'x: {}', 'credentials.x: must NOT have fewer than 1 properties'],
      [
        'a header without a key',
        'x: {google: {source: metadata}, header: api-key}',
        'x.header: only a key from file, env or exec has one',
      ],
      ['an unknown header', 'x: {env: A, header: cookie}', 'x.header: expected one of authorization, x-api-key'],
      ['no region', 'x: {aws: {source: imds}}', 'credentials.x.aws.region: is missing'],
      ['an unknown source', 'x: {aws: {region: us-east-1, source: irsa}}', 'x.aws.source: expected one of static, default'],
      ['a static key in clear', 'x: {aws: {region: us-east-1, source: static, access_key_id: AKIA}}', 'must be object'],
      [
        'a static source without its keys',
        'x: {aws: {region: us-east-1, source: static, access_key_id: {env: A}}}',
        'credentials.x.aws.secret_access_key: is missing; source static needs it',
      ],
      [
        'what a source ignores',
        'x: {aws: {region: us-east-1, source: imds, profile: p}}',
        'credentials.x.aws.profile: source imds does not use it',
      ],
      ['a service account without its file', 'x: {google: {source: service_account}}', 'google.file: is missing'],
      [
        'a client secret without a tenant',
        'x: {azure: {source: client_secret, client_id: c, secret: {env: S}}}',
        'azure.tenant_id: is missing',
      ],
      [
        'a secret over plain HTTP',
        "x: {azure: {source: federated_token, authority: 'http://login.example'}}",
        'azure.authority: ',
      ],
      ['an unknown field', 'x: {azure: {source: managed_identity, tenant: t}}', 'azure.tenant: unknown field; known here'],
    ] as const) {
      it(`refused, with the place: ${what}`, () => {
        expect(problems(`  ${credentials}`)).to.include(said);
      });
    }

    it('a target in another region, or of another service, than its credential signs for is refused', () => {
      const aws = '  b: {aws: {region: us-east-1, source: imds}}';
      const target = (host: string) => problems(aws, `cluster: c, credential: b, host: ${host}`);
      expect(target('bedrock-runtime.us-east-1.amazonaws.com')).to.equal('');
      expect(target('vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com')).to.equal('');
      expect(target('127.0.0.1:8080')).to.equal('');
      expect(target('bedrock-runtime.us-west-2.amazonaws.com')).to.include(
        'targets.t.host: is in us-west-2; its credential signs for us-east-1',
      );
      expect(target('bedrock-mantle.us-east-1.api.aws')).to.include(
        'targets.t.host: is a host of bedrock-mantle; its credential signs for the service bedrock',
      );
    });
  });

  describe('reasons', () => {
    it('are names and codes; never what somebody else wrote', () => {
      const secret = 'eyJhbGciOiJSUzI1NiJ9.secret';
      const unparsable = (() => {
        try {
          return JSON.parse(`{"access_token": ${secret}}`);
        } catch (error) {
          return error;
        }
      })();
      for (const [error, said] of [
        [unparsable, 'SyntaxError'],
        [new Error(secret), 'unknown error'],
        [secret, 'unknown error'],
        [Object.assign(new Error(secret), { code: secret, name: `bad ${secret}` }), 'unknown error'],
        [
          Object.assign(new Error(secret), { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } }),
          'AccessDenied, HTTP 403',
        ],
        [
          Object.assign(new Error(secret), {
            status: 400,
            response: { data: { error: 'invalid_grant', error_description: secret } },
          }),
          'HTTP 400, invalid_grant',
        ],
        [
          Object.assign(new Error(secret), { response: { status: 403, data: { error: { status: 'PERMISSION_DENIED' } } } }),
          'HTTP 403, PERMISSION_DENIED',
        ],
        [new TypeError('fetch failed', { cause: Object.assign(new Error(secret), { code: 'ENOTFOUND' }) }), 'ENOTFOUND'],
        [new CredentialProblem('said by us'), 'said by us'],
        [Object.assign(new Error(secret), { code: 'ENOENT', syscall: 'open', path: '/a/token' }), 'ENOENT, /a/token'],
      ] as const) {
        expect(reasonOf(error)).to.equal(said);
      }
    });
  });
});
