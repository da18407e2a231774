/** Holds in the order of their expiry. Adding and removing cost the same however many there are, and what is removed is let go. */

/** Holds expire up to this much later than they were asked to, never earlier. */
export const EXPIRY_STEP_MS = 100;

export interface Expiring {
  expiresAt: number;
}

export interface HoldExpiry<Hold extends Expiring> {
  readonly size: number;
  add(hold: Hold): void;
  remove(hold: Hold): void;
  /** Removes and tells every hold whose time has come. */
  expire(now: number, expired: (hold: Hold) => void): void;
}

export function createHoldExpiry<Hold extends Expiring>(): HoldExpiry<Hold> {
  const steps = new Map<number, Set<Hold>>();
  let size = 0;
  let passed = 0;
  const stepOf = ({ expiresAt }: Hold): number => Math.ceil(expiresAt / EXPIRY_STEP_MS);
  const expireStep = (step: number, expired: (hold: Hold) => void): void => {
    const holds = steps.get(step);
    if (holds === undefined) return;
    steps.delete(step);
    size -= holds.size;
    for (const hold of holds) expired(hold);
  };
  return {
    get size() {
      return size;
    },
    add(hold) {
      const step = stepOf(hold);
      const holds = steps.get(step);
      if (holds === undefined) steps.set(step, new Set([hold]));
      else holds.add(hold);
      passed = Math.min(passed, step - 1);
      size++;
    },
    remove(hold) {
      const step = stepOf(hold);
      const holds = steps.get(step);
      if (holds?.delete(hold) !== true) return;
      size--;
      if (holds.size === 0) steps.delete(step);
    },
    expire(now, expired) {
      const last = Math.floor(now / EXPIRY_STEP_MS);
      if (last <= passed) return;
      // After a long quiet there are more steps to pass than there are holds.
      if (last - passed > steps.size) {
        for (const step of [...steps.keys()].sort((a, b) => a - b)) if (step <= last) expireStep(step, expired);
      } else for (let step = passed + 1; step <= last; step++) expireStep(step, expired);
      passed = last;
    },
  };
}
