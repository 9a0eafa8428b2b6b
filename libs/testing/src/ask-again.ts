import { PATIENCE_MS } from './patience.js';

const PAUSE_MS = 50;
/** What says "later" of itself. Other codes of these statuses, as POLICY_NOT_YET_KNOWN, may be what a spec waits for. */
const LATER: readonly unknown[] = ['BUSY', 'DEPENDENCY_DOWN'];

/**
 * Asks again while the answer is 429 or 503 and says "later", as a loaded machine may whose locks and connections are waited for.
 * @param ask sends the same bytes under the same key each time
 * @returns the first answer that stands, or the last one when patience is over
 */
export const askAgain = async <A extends { readonly status: number; readonly body: unknown }>(ask: () => Promise<A>): Promise<A> => {
  for (const deadline = performance.now() + PATIENCE_MS; ; ) {
    const answer = await ask();
    const { code } = (answer.body ?? {}) as { readonly code?: unknown };
    if (![429, 503].includes(answer.status) || !LATER.includes(code) || performance.now() > deadline) return answer;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
};
