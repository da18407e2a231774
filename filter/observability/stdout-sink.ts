/** Audit records on standard output, a line each, and nothing else there. Taken is what the pipe or file has taken. */
import { fstatSync, write } from 'node:fs';
import { Socket } from 'node:net';
import type { AuditSink } from './audit-sink.ts';

const STDOUT = 1;

export function stdoutSink(): AuditSink {
  const kind = fstatSync(STDOUT);
  const { put, close } = kind.isFIFO() || kind.isSocket() ? pipeWriter() : fileWriter();
  return {
    async send(_chain, lines) {
      await put(Buffer.from(`${lines.join('\n')}\n`));
      return 0;
    },
    close,
  };
}

interface Writer {
  readonly put: (bytes: Buffer) => Promise<void>;
  readonly close: () => void;
}

/** Not process.stdout: that blocks the process while nobody reads. */
function pipeWriter(): Writer {
  const socket = new Socket({ fd: STDOUT, readable: false, writable: true });
  socket.unref();
  let broken: Error | undefined;
  socket.on('error', (error) => {
    broken = error;
  });
  const put: Writer['put'] = (bytes) =>
    new Promise((resolve, reject) => {
      if (broken !== undefined || socket.destroyed) reject(broken ?? new Error('standard output is closed'));
      else socket.write(bytes, (error) => (error instanceof Error ? reject(error) : resolve()));
    });
  return { put, close: () => socket.destroy() };
}

function fileWriter(): Writer {
  // A full disk may have taken half a line, which must not become the beginning of the next one.
  let torn = false;
  const putAll = (bytes: Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      write(STDOUT, bytes, (error, written) => {
        if (error !== null) {
          reject(error);
          return;
        }
        torn = written < bytes.length;
        if (torn) putAll(bytes.subarray(written)).then(resolve, reject);
        else resolve();
      });
    });
  return {
    put: (bytes) => putAll(torn ? Buffer.concat([LINE_END, bytes]) : bytes),
    close: () => undefined,
  };
}

const LINE_END = Buffer.from('\n');
