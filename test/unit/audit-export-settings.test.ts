import { expect } from 'chai';
import { readAuditExport } from '../../filter/audit-export-settings.ts';

describe('settings of audit exporters', () => {
  it('name several, and take the Redis of the quotas unless they have their own', () => {
    expect(readAuditExport({})).to.deep.equal({ exporters: new Set(), redis: undefined });
    const shared = { GATEWAY_REDIS_URL: 'redis://quota:6379', GATEWAY_REDIS_CA_FILE: 'quota.pem' };
    const { exporters, redis } = readAuditExport({ GATEWAY_AUDIT_EXPORT: 'stdout, redis', ...shared });
    expect([...exporters]).to.deep.equal(['stdout', 'redis']);
    expect(redis).to.deep.include({ stream: 'gateway:audit', maxLength: 1_000_000 });
    expect(redis?.link).to.deep.include({ urls: ['redis://quota:6379'], caFile: 'quota.pem' });
    const own = { GATEWAY_AUDIT_REDIS_URL: 'rediss://audit:6379', GATEWAY_AUDIT_REDIS_MAXLEN: '0' };
    const separate = readAuditExport({ GATEWAY_AUDIT_EXPORT: 'redis', ...shared, ...own }).redis;
    expect(separate).to.deep.include({ maxLength: 0 });
    expect(separate?.link).to.deep.include({ urls: ['rediss://audit:6379'], caFile: undefined });
  });

  const wrong: readonly (readonly [variables: Record<string, string>, told: string])[] = [
    [{ GATEWAY_AUDIT_EXPORT: 'kafka' }, 'GATEWAY_AUDIT_EXPORT: expected stdout, redis, otlp'],
    [{ GATEWAY_AUDIT_EXPORT: 'redis://:hush@host' }, 'GATEWAY_AUDIT_EXPORT: expected stdout, redis, otlp'],
    [{ GATEWAY_AUDIT_EXPORT: 'redis', GATEWAY_REDIS_URL: 'http://:hush@b' }, 'GATEWAY_REDIS_URL: expected redis://'],
    [{ GATEWAY_AUDIT_EXPORT: 'redis' }, 'GATEWAY_AUDIT_EXPORT: redis needs GATEWAY_AUDIT_REDIS_URL'],
    [{ GATEWAY_AUDIT_EXPORT: 'otlp' }, 'GATEWAY_AUDIT_EXPORT: otlp needs OTEL_EXPORTER_OTLP_LOGS_ENDPOINT'],
    [{ GATEWAY_AUDIT_EXPORT: 'redis', GATEWAY_AUDIT_REDIS_URL: 'redis://a:hush@b' }, 'GATEWAY_AUDIT_REDIS_PASSWORD_FILE'],
  ];
  for (const [variables, told] of wrong)
    it(`are refused: ${told}`, () => {
      expect(() => readAuditExport(variables))
        .to.throw(told)
        .with.property('message')
        .that.does.not.include('hush');
    });
});
