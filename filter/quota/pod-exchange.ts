/** Workers of a pod meet in the process above them to share providers' limits: by messages, without Redis. */
import type { LimitExchange, ShareAnswer, ShareQuestion } from './limit-exchange.ts';

export interface PodExchange extends LimitExchange {
  /** The answer of a round has come. */
  hear(round: number, answer: ShareAnswer): void;
  /** A round would help another, or this one. */
  hearWanted(): void;
}

/** @param ask sends a question up @param isConnected is there somebody above? */
export function createPodExchange(
  ask: (round: number, question: ShareQuestion) => void,
  isConnected: () => boolean,
): PodExchange {
  /** One question is under way at a time: what comes for an earlier one is late, and nobody waits for it. */
  let waiting: { readonly round: number; readonly resolve: (answer: ShareAnswer) => void } | undefined;
  let rounds = 0;
  const near = { onWanted: (): void => undefined };
  return {
    near,
    hearWanted: () => near.onWanted(),
    isReady: isConnected,
    ask(question) {
      rounds += 1;
      const { promise, resolve } = Promise.withResolvers<ShareAnswer>();
      waiting = { round: rounds, resolve };
      ask(rounds, question);
      return promise;
    },
    hear(round, answer) {
      if (waiting?.round === round) waiting.resolve(answer);
    },
    close: () => undefined,
  };
}
