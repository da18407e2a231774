import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { pino } from 'pino';
import { AuditLog, type AuditSettings } from '../../../filter/observability/audit-log.ts';
import { BodyCapture } from '../../../filter/observability/body-capture.ts';
import { BodyLog, type BodyOf } from '../../../filter/observability/body-log.ts';
import type { BodyRecord } from '../../../filter/observability/body-record.ts';
import type { BodyRecording } from '../../../filter/policy/compiled/body-recording.ts';
import { waitFor } from '../../stack/processes.ts';

const log = pino({ level: 'silent' });
const settings: AuditSettings = {
  ...{ syncMs: 5, queueBytes: 1 << 20, segmentBytes: 1 << 20, segmentAgeMs: 3_600_000 },
  ...{ retainMs: undefined, retainBytes: undefined, outage: 'refuse', kind: 'bodies' },
};
const recording: BodyRecording = { request: true, response: true, maxBytes: 16, share: 1, redact: [] };

const alone = (changes: Partial<BodyRecording> = {}): BodyCapture =>
  new BodyCapture({ ...recording, ...changes }, { bytes: 0, most: 1 << 20 });

function captured(request: string, ...pieces: readonly string[]): BodyCapture {
  return filled(alone(), request, ...pieces);
}

function filled(capture: BodyCapture, request: string, ...pieces: readonly string[]): BodyCapture {
  capture.keepRequest(Buffer.from(request));
  for (const piece of pieces) capture.keepPiece(Buffer.from(piece));
  return capture;
}

function bodyOf(request_id: string): BodyOf {
  return { request_id, time: '2026-11-24T00:00:00.000Z', tenant: 't', alias: 'a', caller_schema: 'openai-chat' };
}

describe('bodies of one request', () => {
  it('are copies, no longer than the cap, however much there is', () => {
    const large = Buffer.alloc(1 << 20, '[');
    const held = { bytes: 0, most: 1 << 20 };
    const capture = new BodyCapture(recording, held);
    capture.keepRequest(large);
    for (let piece = 0; piece < 100; piece++) capture.keepPiece(large.subarray(0, 7));
    expect(held.bytes).to.equal(32);
    expect(capture.request?.bytes).to.equal(1 << 20);
    expect(capture.request?.kept.buffer).not.to.equal(large.buffer);
    expect(capture.response).to.deep.include({ bytes: 700, kept: large.subarray(0, 16) });
  });

  it('an answer takes the place of what was to come before', () => {
    const capture = captured('{}', 'half of ');
    capture.keepAnswer('{"error":1}');
    expect(capture.response?.kept.toString()).to.equal('{"error":1}');
  });

  it('only the one that is wanted', () => {
    const capture = alone({ request: false });
    capture.keepRequest(Buffer.from('{}'));
    expect(capture.request).to.equal(undefined);
    expect(alone({ response: false }).response).to.equal(undefined);
  });
});

describe('the log of bodies', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bodies-test-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  const open = async (queueBytes: number, at = directory): Promise<BodyLog> =>
    new BodyLog(await AuditLog.open(at, '', log, settings), log, queueBytes);
  const records = (): BodyRecord[] =>
    readdirSync(directory)
      .filter((name) => name.endsWith('.jsonl'))
      .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n').filter(Boolean))
      .map((line) => JSON.parse(line));

  it('gives up what it has no room for, in flight or waiting, and counts it', async () => {
    const bodies = await open(100);
    const captures = Array.from({ length: 5 }, () =>
      filled(bodies.begin(recording), '{"a":"0123456789"}', '{"b":"0123456789"}'),
    );
    expect(bodies.figures()).to.include({ dropped: 0, queuedBytes: 96 });
    for (const [index, capture] of captures.entries()) bodies.add(bodyOf(`r${index}`), capture);
    expect(bodies.figures()).to.include({ dropped: 2, queuedBytes: 96 });
    await bodies.close();
    expect(records().map(({ request_id }) => request_id)).to.deep.equal(['r0', 'r1', 'r2']);
    expect(bodies.figures()).to.include({ written: 3, queuedBytes: 0 });
  });

  it('has the room back of an answer that another took the place of', async () => {
    const bodies = await open(100);
    const capture = filled(bodies.begin(recording), '{}', 'half of an answer');
    capture.keepAnswer('{"e":1}');
    expect(bodies.figures().queuedBytes).to.equal(9);
    bodies.add(bodyOf('a'), capture);
    await bodies.close();
    expect(bodies.figures()).to.include({ written: 1, queuedBytes: 0 });
  });

  it('a character that the cap cuts goes, and what is no text is not kept', async () => {
    const bodies = await open(1 << 20);
    bodies.add(bodyOf('cut'), captured('{"a":"bc é 456€789"}'));
    const sound = alone();
    sound.keepPiece(Buffer.from([0xff, 0xfb, 0x90, 0x00]));
    bodies.add(bodyOf('sound'), sound);
    await bodies.close();
    const [cut, noText] = records();
    expect(cut?.request).to.deep.equal({ bytes: 23, cut: true, text: '{"a":"bc é ' });
    expect(noText).to.deep.include({ request: null, response: { bytes: 4, cut: false, text: null } });
  });

  it('begins without its directory, and writes when there is one', async () => {
    const blocked = join(directory, 'blocked');
    writeFileSync(blocked, '');
    const bodies = await open(1 << 20, join(blocked, 'bodies'));
    expect(bodies.figures().failing).to.equal(true);
    bodies.add(bodyOf('a'), captured('{}'));
    rmSync(blocked);
    await waitFor('it to be written', undefined, async () => bodies.figures().written === 1);
    expect(bodies.figures().failing).to.equal(false);
    await bodies.close();
  });
});
