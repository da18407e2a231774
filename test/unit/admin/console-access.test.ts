/** Sessions and time: how long they last, and clocks that jump. */
import type { IncomingMessage } from 'node:http';
import { expect } from 'chai';
import { ConsoleAccess } from '../../../filter/admin/console/access.ts';
import type { Person } from '../../../filter/admin/console/tokens.ts';
import { NOW, silent } from './console-fixture.ts';

const HOUR_MS = 3_600_000;
const ANA: Person = { name: 'ana', tokenHash: 'aa'.repeat(32) };

function door() {
  const clock = { now: NOW, elapsed: 0 };
  const tokens = { personOf: (token: string) => (token === 'good' ? ANA : undefined), named: () => [ANA], close() {} };
  const access = new ConsoleAccess({ tokens, log: silent, now: () => clock.now, elapsed: () => clock.elapsed });
  return { clock, access };
}

function request(cookie?: string): IncomingMessage {
  return { headers: { cookie }, socket: { remoteAddress: '10.0.0.1' } } as IncomingMessage;
}

describe('a session of the console', () => {
  it('lasts twelve hours, and not longer because it was made while the clock was wrong', () => {
    const { clock, access } = door();
    const entered = access.signIn('good', request());
    const cookie = entered.outcome === 'in' ? (entered.cookie.split(';')[0] ?? '') : '';
    const isIn = (): boolean => access.personOf(request(cookie)) !== undefined;
    expect(isIn()).to.equal(true);
    clock.now = NOW + 12 * HOUR_MS - 1_000;
    expect(isIn()).to.equal(true);
    clock.now = NOW + 12 * HOUR_MS;
    expect(isIn()).to.equal(false);
    clock.now = NOW - HOUR_MS;
    expect(isIn()).to.equal(false);
  });

  it('can be begun a minute after ten wrong tokens, whatever the clock was set to meanwhile', () => {
    const { clock, access } = door();
    for (let count = 0; count < 10; count++) access.signIn('wrong', request());
    clock.now = NOW - 1_000 * HOUR_MS;
    expect(access.signIn('good', request()).outcome).to.equal('too_many');
    clock.elapsed = 60_001;
    expect(access.signIn('good', request()).outcome).to.equal('in');
  });
});
