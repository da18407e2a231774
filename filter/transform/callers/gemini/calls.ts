/**
 * Pairs function responses with function calls. The schema's ids may be missing on either side; responses are then matched by name,
 * in order, as the real API does.
 */
import { invalid } from '../../codecs/fields.ts';

interface OpenCall {
  readonly id: string;
  readonly name: string;
  answered: boolean;
}

/** Linear in calls and responses. */
export class CallLedger {
  /** Ids that the caller gave, anywhere in the conversation. */
  readonly #given: ReadonlySet<string>;
  #made = 0;
  #byId = new Map<string, OpenCall>();
  #byName = new Map<string, { readonly calls: OpenCall[]; next: number }>();

  constructor(given: ReadonlySet<string>) {
    this.#given = given;
  }

  /** @returns the call's id: the caller's own, or one that no other call of the conversation has */
  call(id: string | undefined, name: string, path: string): string {
    const call: OpenCall = { id: id ?? this.#freeId(), name, answered: false };
    if (this.#byId.has(call.id)) throw invalid(`${path}.id`, 'another call of the same turn has this id');
    this.#byId.set(call.id, call);
    const named = this.#byName.get(name);
    if (named === undefined) this.#byName.set(name, { calls: [call], next: 0 });
    else named.calls.push(call);
    return call.id;
  }

  /** @returns the id of the call that this response answers @throws Fault `body_invalid` when there is none */
  result(id: string | undefined, name: string, path: string): string {
    const call = (id === undefined ? undefined : this.#byId.get(id)) ?? this.#nextNamed(name);
    if (call === undefined || call.answered) {
      throw invalid(path, `no functionCall ${JSON.stringify(name)} of the model turn before is open for this response`);
    }
    call.answered = true;
    return call.id;
  }

  /** The turn after the calls is over: every call must have its response. @throws Fault `body_invalid` */
  settle(path: string): void {
    for (const { name, answered } of this.#byId.values()) {
      if (answered) continue;
      throw invalid(path, `the functionCall ${JSON.stringify(name)} has no functionResponse in the turn that follows it`);
    }
    this.#byId = new Map();
    this.#byName = new Map();
  }

  #nextNamed(name: string): OpenCall | undefined {
    const named = this.#byName.get(name);
    if (named === undefined) return undefined;
    while (named.calls[named.next]?.answered === true) named.next += 1;
    return named.calls[named.next];
  }

  #freeId(): string {
    for (;;) {
      const id = `call_${this.#made}`;
      this.#made += 1;
      if (!this.#given.has(id)) return id;
    }
  }
}
