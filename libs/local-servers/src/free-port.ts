import { createServer } from 'node:net';

/** Below the ports that systems give to connections by themselves (from 32768 on): none of those takes it before it is used. */
const [LOWEST, HIGHEST] = [10_000, 32_000];
const anyPort = (): number => LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));

/**
 * A TCP port on 127.0.0.1 that was free a moment ago. Another process may take it before it is used, so callers retry.
 * With `wanted`, resolves to it when free and rejects with the system's EADDRINUSE when not.
 */
export const freePort = async (wanted?: number): Promise<number> => {
  if (wanted !== undefined) return bound(wanted);
  for (let tries = 1; ; tries += 1) {
    try {
      return await bound(anyPort());
    } catch (error) {
      if (tries === MOST_TRIES) throw error;
    }
  }
};

const MOST_TRIES = 20;
const bound = (wanted: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : wanted));
    });
  });
