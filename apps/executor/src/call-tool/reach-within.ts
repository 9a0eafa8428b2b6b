import type { Egress, Reach } from '../egress/egress.js';
import { LIMITS } from '../limits.js';

/** A look-up cannot be called back, but nobody waits for it longer than for a connection, or past the end of the call. */
export const reachWithin = async (egress: Egress, host: string, declared: readonly string[] | undefined, signal: AbortSignal): Promise<Reach> => {
  const bound = AbortSignal.any([signal, AbortSignal.timeout(LIMITS.connectMs)]);
  let giveUp = (): void => undefined;
  const late = new Promise<Reach>((resolve) => (giveUp = () => resolve({ kind: 'unresolved' })));
  bound.addEventListener('abort', giveUp, { once: true });
  if (bound.aborted) giveUp();
  try {
    return await Promise.race([egress.reach(host, declared ?? []), late]);
  } finally {
    bound.removeEventListener('abort', giveUp);
  }
};
