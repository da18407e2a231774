/** A word on stderr about work that takes long: where somebody is looking, once a second. */

/** How often it is asked is the caller's affair: the clock is read every 4096th time. */
export class Progress {
  readonly #startedAt = performance.now();
  #toldAt = this.#startedAt;
  #count = 0;

  /** One record more. */
  step(): void {
    this.#count += 1;
    if (this.#count % 4096 === 0) this.#tell();
  }

  #tell(): void {
    const now = performance.now();
    if (now - this.#toldAt < 1000) return;
    this.#toldAt = now;
    const perSecond = Math.round((this.#count / (now - this.#startedAt)) * 1000);
    const text = `${this.#count} records, ${perSecond} a second`;
    process.stderr.write(process.stderr.isTTY ? `\r${text}\u001b[K` : `${text}\n`);
  }

  /** As many more at once. */
  add(records: number): void {
    this.#count += records;
    this.#tell();
  }

  end(): void {
    if (this.#toldAt !== this.#startedAt && process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  }
}
