/** Certificates for tests, made by the openssl command: Node cannot sign X.509. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** @param names such as `URI:spiffe://corp.test/ns/a/sa/b` or `IP:127.0.0.1` */
  issue(subject: string, names: string): Certificate;
  close(): void;
}

export function makeAuthority(name: string): Authority {
  const directory = mkdtempSync(join(tmpdir(), 'certificates-'));
  const file = (of: string): string => join(directory, of);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    ...['req', '-x509', ...newKey, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-days', '2', '-subj', `/CN=${name}`],
  );
  let count = 0;
  return {
    certificate: readFileSync(file('ca.pem'), 'utf8'),
    issue(subject, names) {
      count += 1;
      const [key, request, certificate, extensions] = ['key', 'csr', 'pem', 'ext'].map((end) => file(`${count}.${end}`));
      if (key === undefined || request === undefined || certificate === undefined || extensions === undefined)
        throw new Error('no names');
      writeFileSync(extensions, `subjectAltName=${names}\nbasicConstraints=CA:FALSE\n`);
      openssl('req', '-new', ...newKey, '-keyout', key, '-out', request, '-subj', subject);
      openssl(
        ...['x509', '-req', '-in', request, '-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial'],
        ...['-days', '2', '-out', certificate, '-extfile', extensions],
      );
      return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') };
    },
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}
