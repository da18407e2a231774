/** Records that a collector refuses: one amid others that it takes is passed over, and no other ever is. */
import { expect } from 'chai';
import type { AuditExporter } from '../../../filter/observability/audit-exporter.ts';
import { type AuditSink, RefusedError } from '../../../filter/observability/audit-sink.ts';
import { createOtlpClient, type OtlpProtocol } from '../../../filter/observability/otlp-client.ts';
import { otlpSink } from '../../../filter/observability/otlp-sink.ts';
import { Sieve } from '../../../filter/observability/sieve.ts';
import { type CollectedLog, type OtlpCollector, otlpEndpoint, startOtlpCollector } from '../../stack/otlp-collector.ts';
import { waitFor } from '../../stack/processes.ts';
import { caughtUp, ExportFixture, numbered } from './export-fixture.ts';
import { record } from './observed.ts';

describe('records that a collector refuses', () => {
  let fixture: ExportFixture;
  let collector: OtlpCollector;
  beforeEach(async () => {
    fixture = new ExportFixture();
    collector = await startOtlpCollector();
  });
  afterEach(async () => {
    await fixture.close();
    await collector.close();
    expect(collector.violations).to.deep.equal([]);
  });

  const idOf = ({ body }: CollectedLog): string => JSON.parse(body).request_id;
  /** Without doubles. */
  const arrived = (): string[] => [...new Set(collector.logs.map(idOf))];
  const exporting = (protocol: OtlpProtocol = 'http/protobuf', of = fixture): AuditExporter => {
    const client = createOtlpClient(otlpEndpoint(`${collector.url}/v1/logs`, { protocol }));
    return of.exporting(otlpSink(client, { 'service.name': 's' }));
  };
  const refuse = (ids: readonly string[], status = 400): void => {
    collector.refuses = (log) => (ids.includes(idOf(log)) ? status : undefined);
  };
  const write = (ids: readonly string[]) => fixture.writeAll(ids.map((id) => record(id)));
  const failed = (exporter: AuditExporter, times: number) =>
    waitFor(`${times} failures`, undefined, async () => exporter.counts.failures >= times);

  const ids = numbered(12);
  const amidOthers: readonly (readonly [
    which: string,
    refused: readonly string[],
    status?: number,
    protocol?: OtlpProtocol,
  ])[] = [
    ['the first', ['r0']],
    ['one in the middle', ['r5']],
    ['one in the middle, in JSON', ['r5'], 400, 'http/json'],
    ['the last', ['r11']],
    ['two of a batch', ['r2', 'r9']],
    ['two together', ['r6', 'r7']],
    ['all but the last', ids.slice(0, -1)],
    ['all but the first', ids.slice(1)],
    ['one that is too large', ['r4'], 413],
    ['one that is well-formed and wrong', ['r4'], 422],
    ['one that a firewall stops', ['r4'], 403],
    ['one that is refused further on', ['r4'], 500],
  ];
  for (const [which, refused, status, protocol] of amidOthers)
    it(`passes over ${which}, tells of it once by its id, and does not ask again`, async () => {
      refuse(refused, status);
      await write(ids);
      const exporter = exporting(protocol);
      const others = ids.filter((id) => !refused.includes(id));
      await caughtUp(exporter, others.length);
      expect(exporter.counts).to.include({ exported: others.length, rejected: refused.length, failures: 0 });
      expect(arrived()).to.deep.equal(others);
      const told = fixture.logged.split('\n').filter((line) => line.includes('will not take'));
      expect(told.map((line) => JSON.parse(line))).to.have.lengthOf(refused.length);
      expect(told.map((line) => JSON.parse(line).request_id)).to.deep.equal(refused);
      expect(JSON.parse(told[0] ?? '')).to.include({ chain: 'filter', reason: `status ${status ?? 400}` });
      expect(told.join()).not.to.include('tenant');
      await exporter.close();
      const requests = collector.requests.length;
      await fixture.write(['next']);
      await caughtUp(exporting(protocol), 1);
      expect(collector.requests.length).to.equal(requests + 1);
    });

  it('gives nothing up while everything is refused, asks ever less, and goes on when that is mended', async () => {
    collector.always = { status: 400 };
    const many = numbered(60);
    await write(many);
    const exporter = exporting();
    await failed(exporter, 3);
    // Each record and each half once, then a few.
    expect(collector.requests.length).to.be.at.most(2 * 60 - 1 + 16 * exporter.counts.failures);
    expect(exporter.counts).to.include({ exported: 0, rejected: 0 });
    expect(exporter.lag().records).to.equal(60);
    collector.always = undefined;
    await caughtUp(exporter, 60);
    expect(collector.logs.map(idOf)).to.deep.equal(many);
    expect(exporter.counts.rejected).to.equal(0);
    expect(fixture.logged.match(/the sink refuses audit records/g)).to.have.lengthOf(1);
  }).timeout(20_000);

  it('gives nothing up when a collector that took records refuses everything', async () => {
    const exporter = exporting();
    await write(['a']);
    await caughtUp(exporter, 1);
    collector.always = { status: 400 };
    await write(ids);
    await failed(exporter, 1);
    // The batch, its halves, a record, the witness.
    expect(collector.requests.length).to.be.at.most(1 + 4 + 2);
    await failed(exporter, 3);
    collector.always = undefined;
    await caughtUp(exporter, 1 + ids.length);
    expect(collector.logs.map(idOf)).to.deep.equal(['a', ...ids]);
    expect(exporter.counts.rejected).to.equal(0);
  }).timeout(20_000);

  for (const status of [401, 404, 501])
    it(`does not look for a record where it cannot be one: ${status}`, async () => {
      refuse(['r5'], status);
      await write(ids);
      const exporter = exporting();
      await failed(exporter, 1);
      expect(collector.requests.length).to.equal(1);
      expect(exporter.counts).to.include({ exported: 0, rejected: 0 });
    });

  const early = Array.from({ length: 12 }, (_, index) => index + 1);
  // Moments of the whole search are tried: what is refused at one moment and taken at another is not given up.
  for (const [what, refused, moments] of [
    ['breaks', ['r1'], [...early, 16, 20, 24, 28]],
    ['is mended', [], early],
  ] as const)
    it(`gives up no other record when the collector ${what} amid the search`, async () => {
      for (const moment of moments) {
        const one = new ExportFixture();
        const exporter = exporting('http/protobuf', one);
        collector.refuses = () => undefined;
        if (what === 'breaks') await one.write(['taken']);
        await caughtUp(exporter, what === 'breaks' ? 1 : 0);
        const before = collector.requests.length;
        collector.refuses = (log) => {
          const isBehind = collector.requests.length - before > moment;
          return isBehind === (what === 'breaks') || refused.some((id) => id === idOf(log)) ? 400 : undefined;
        };
        await one.writeAll(numbered(4).map((id) => record(id)));
        await waitFor('an end', undefined, async () => {
          const { failures, exported, rejected } = exporter.counts;
          return what === 'breaks' ? failures > 0 || exported + rejected === 5 : exported + rejected === 4;
        });
        const givenUp = one.logged.split('\n').filter((line) => line.includes('will not take'));
        const others = givenUp.filter((line) => !refused.some((id) => id === JSON.parse(line).request_id));
        expect(others, `moment ${moment}`).to.deep.equal([]);
        await one.close();
      }
    }).timeout(60_000);

  for (const turn of [0, 1])
    it(`gives nothing up where one of two collectors refuses everything, and they are asked in turn (${turn})`, async () => {
      collector.refuses = () => (collector.requests.length % 2 === turn ? 400 : undefined);
      await write(numbered(20));
      const exporter = exporting();
      await caughtUp(exporter, 20);
      expect(exporter.counts.rejected).to.equal(0);
    });

  // Others send to them as well, so that whose turn it is cannot be told.
  for (const share of [0.25, 0.5, 0.75])
    it(`gives nothing up where ${share * 100} % of the requests meet a collector that refuses everything`, async () => {
      let state = 7;
      const drawn = (): number => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return state / 2 ** 32;
      };
      const sink: AuditSink = {
        async send() {
          if (drawn() < share) throw new RefusedError('status 500', 'records');
          return 0;
        },
        close() {},
      };
      const sieve = new Sieve(sink);
      let givenUp = 0;
      for (let batch = 0; batch < 200; batch++) {
        let left: readonly string[] = numbered(60);
        while (left.length > 0) {
          const sifted = await sieve.send('c', left, 'thorough');
          givenUp += sifted.givenUp.length;
          left = left.slice(sifted.settled);
        }
      }
      expect(givenUp).to.equal(0);
    });

  it('waits with a record that is alone until another one is taken, of any chain', async () => {
    refuse(['alone']);
    await fixture.write(['alone'], {}, '-1');
    const exporter = exporting();
    await failed(exporter, 2);
    expect(exporter.counts).to.include({ exported: 0, rejected: 0 });
    await fixture.write(['other'], {}, '-2');
    await caughtUp(exporter, 1);
    expect(exporter.counts).to.include({ exported: 1, rejected: 1 });
  }).timeout(20_000);

  it('finds another witness when the one it has is refused, too', async () => {
    const exporter = exporting();
    await write(['old']);
    await caughtUp(exporter, 1);
    refuse(['old', 'r0']);
    await write(['r0']);
    await failed(exporter, 2);
    expect(exporter.counts.rejected).to.equal(0);
    await write(['r1', 'r2']);
    await caughtUp(exporter, 3);
    expect(exporter.counts).to.include({ exported: 3, rejected: 1 });
    expect(arrived()).to.have.members(['old', 'r1', 'r2']);
  }).timeout(20_000);

  it('sends twenty-five requests for a record at most, however many are refused, and other chains have their turn', async () => {
    const many = numbered(80);
    refuse(many.filter((_, index) => index % 4 !== 3));
    await fixture.write(many, {}, '-1');
    await fixture.write(['other'], {}, '-2');
    const exporter = exporting();
    await caughtUp(exporter, 21);
    expect(exporter.counts).to.include({ exported: 21, rejected: 60, failures: 0 });
    expect(collector.requests.length).to.be.at.most(25 * 80);
    const order = arrived();
    expect(order.indexOf('other')).to.be.below(order.indexOf('r79'));
  }).timeout(20_000);

  it('keeps its place when it is stopped amid the search: what was given up is counted once, and nothing is lost', async () => {
    refuse(['r3', 'r9']);
    const { refuses } = collector;
    collector.refuses = (log) => {
      // The first one has been found; from the second on the collector is away.
      if (idOf(log) === 'r8') collector.always = { status: 503 };
      return refuses(log);
    };
    await write(ids);
    const first = exporting();
    await failed(first, 1);
    await first.close();
    collector.always = undefined;
    collector.refuses = refuses;
    const second = exporting();
    await waitFor('the rest', undefined, async () => second.lag().bytes === 0 && second.counts.exported > 0);
    expect(first.counts.rejected + second.counts.rejected).to.equal(2);
    expect(first.counts.exported + second.counts.exported).to.equal(10);
    expect(arrived()).to.deep.equal(ids.filter((id) => id !== 'r3' && id !== 'r9'));
  }).timeout(20_000);
});
