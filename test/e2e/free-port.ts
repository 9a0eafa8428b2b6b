import { createServer } from 'node:net';

/** Below the ports that systems give to connections by themselves (from 32768 on): none of those takes it before it is used. */
const [LOWEST, HIGHEST] = [10_000, 32_000];
const MOST_TRIES = 20;

const bound = (port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(port)));
  });

/** A port on 127.0.0.1 that nothing listened on a moment ago. */
export const freePort = async (): Promise<number> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await bound(LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST)));
    } catch (error) {
      if (tries === MOST_TRIES) throw error;
    }
  }
};
