/**
 * Finds the records that a sink refuses among others that it takes. One that waits for ever holds up all behind it; one that is given up while the
 * sink refuses everybody is lost to it. So a refused batch goes in halves, in order, and a record is given up only when it was refused alone several
 * times, and between any two of these the sink took a witness: a record that it had taken before.
 */
import { type AuditSink, RefusedError } from './audit-sink.ts';

export interface Sifted {
  /** Lines, from the first on, that are done with. */
  readonly settled: number;
  /** How many of them the sink will never take, in its own words: it does not say which. */
  readonly rejected: number;
  /** And those of them that it refused alone. */
  readonly givenUp: readonly GivenUp[];
  /** What the sink said, where that was the end. Without it, and with lines left: it is others' turn. */
  readonly error: unknown;
}

export interface GivenUp {
  readonly line: string;
  readonly reason: string;
}

/** While the sink has taken nothing: a few tries, or one for every record. */
export type Search = 'brief' | 'thorough';

/**
 * Times that a record alone is refused again, behind a witness each. Not once each: where a balancer takes its collectors in turn, and one of them
 * refuses everything, the record would always meet that one, and the witness another. Where others are balanced as well, it is chance who meets it: then one
 * good record in 40,000 is given up at worst.
 */
const REFUSED_AGAIN = [2, 3, 5, 8] as const;
const BRIEF_REQUESTS = 16;
/** Then other chains have their turn. */
const TURN_REQUESTS = 128;

export class Sieve {
  readonly #sink: AuditSink;
  /** What the sink took last, of whatever chain. Sent again it is a double, which readers know by its number. */
  #witness: { readonly chain: string; readonly line: string } | undefined;

  constructor(sink: AuditSink) {
    this.#sink = sink;
  }

  /** Never rejects. @param lines as for a sink */
  async send(chain: string, lines: readonly string[], search: Search): Promise<Sifted> {
    const pass = new Pass(chain, lines);
    await this.#sift(pass, search).catch((error: unknown) => {
      pass.error = error;
    });
    // What was rejected behind the settled ones comes again.
    pass.rejected = Math.min(pass.rejected, pass.settled - pass.givenUp.length);
    return pass;
  }

  /** Where nothing of a batch was taken, and perhaps no more could be: what lies behind it may. @throws what the sink says, if it is about no record */
  async findWitness(chain: string, line: string): Promise<void> {
    if (this.#witness === undefined) await this.#try(new Pass(chain, [line]), 0, 1);
  }

  async #sift(pass: Pass, search: Search): Promise<void> {
    const blocks = [{ from: 0, to: pass.lines.length }];
    const suspects: Suspect[] = [];
    for (let block = blocks.pop(); block !== undefined; block = blocks.pop()) {
      const { from, to } = block;
      const refusal = await this.#try(pass, from, to);
      if (refusal !== undefined && to - from > 1) {
        const middle = from + Math.ceil((to - from) / 2);
        blocks.push({ from: middle, to }, { from, to: middle });
      } else {
        if (refusal !== undefined) suspects.push({ index: from, refusal });
        if (this.#witness !== undefined) for (const suspect of suspects.splice(0)) await this.#judge(pass, suspect);
        pass.settled = suspects[0]?.index ?? to;
      }
      if (refusal !== undefined && this.#witness === undefined && search === 'brief' && pass.requests >= BRIEF_REQUESTS)
        throw refusal;
      if (suspects.length === 0 && pass.requests >= TURN_REQUESTS) return;
    }
    if (suspects[0] !== undefined) throw suspects[0].refusal;
  }

  /** @throws RefusedError when the sink refuses the witness, too */
  async #judge(pass: Pass, { index, refusal }: Suspect): Promise<void> {
    pass.settled = index;
    for (const times of REFUSED_AGAIN) {
      await this.#callWitness(pass);
      for (let time = 0; time < times; time += 1) if ((await this.#try(pass, index, index + 1)) === undefined) return;
    }
    pass.givenUp.push({ line: pass.lines[index] ?? '', reason: refusal.message });
    pass.settled = index + 1;
  }

  async #callWitness(pass: Pass): Promise<void> {
    if (this.#witness === undefined) return;
    const { chain, line } = this.#witness;
    pass.requests += 1;
    try {
      await this.#sink.send(chain, [line]);
    } catch (error) {
      // It may have become too old for this sink: then another one has to be found.
      if (error instanceof RefusedError) this.#witness = undefined;
      throw error;
    }
  }

  /** @returns undefined: taken */
  async #try(pass: Pass, from: number, to: number): Promise<RefusedError | undefined> {
    const lines = pass.lines.slice(from, to);
    pass.requests += 1;
    try {
      const rejected = await this.#sink.send(pass.chain, lines);
      pass.rejected += rejected;
      const line = lines.at(-1);
      if (rejected === 0 && line !== undefined) this.#witness = { chain: pass.chain, line };
      return undefined;
    } catch (error) {
      if (error instanceof RefusedError && error.about === 'records') return error;
      throw error;
    }
  }
}

class Pass implements Sifted {
  readonly chain: string;
  readonly lines: readonly string[];
  settled = 0;
  rejected = 0;
  readonly givenUp: GivenUp[] = [];
  requests = 0;
  error: unknown;

  constructor(chain: string, lines: readonly string[]) {
    this.chain = chain;
    this.lines = lines;
  }
}

interface Suspect {
  readonly index: number;
  readonly refusal: RefusedError;
}
