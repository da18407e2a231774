/** What conversions of operations have in common whose answers come in one piece. */
import { SSE } from '../codecs/sse.ts';

export const NEVER_STREAMS = {
  passes: false,
  accepts: 'application/json',
  framing: SSE,
  openStream(): never {
    throw new Error('this operation does not stream');
  },
} as const;
