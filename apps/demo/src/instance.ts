import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVICES } from '@exequatur/contracts';
import type { ServiceName } from '@exequatur/contracts';
import { startServices, startStandalone } from '@exequatur/standalone';
import type { Credentials } from '@exequatur/standalone';
import type { DemoOptions } from './options.js';

/** The Exequatur the story runs against. */
export interface Instance {
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly credentials: Credentials;
  readonly adminToken: string;
  readonly trustedKeysFile: string;
  readonly description: string;
  stop(): Promise<void>;
}

/** The running instance when there is one, else one of the demo's own, in a temporary directory that goes away with it. */
export const findOrStart = async (options: DemoOptions, log: (line: string) => void): Promise<Instance> => {
  if (options.transport === 'postgres') {
    const running = await runningInstance(options);
    if (running !== undefined) return running;
  }
  const dataDir = mkdtempSync(join(tmpdir(), 'exequatur-demo-'));
  // PostgreSQL refuses root; the account it then runs as must be able to pass.
  chmodSync(dataDir, 0o711);
  const common = { trustedKeysFile: join(dataDir, 'secrets', 'trusted-keys.json') };
  const away = (stop: () => Promise<void>) => async (): Promise<void> => {
    await stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  if (options.transport === 'kafka') {
    const services = await startServices({ dataDir, logLevel: 'error', log });
    return { ...common, urls: services.urls, credentials: services.credentials, adminToken: services.adminToken, description: 'five processes over Kafka', stop: away(() => services.stop()) };
  }
  const standalone = await startStandalone({ port: 0, host: '127.0.0.1', dataDir, logLevel: 'error', reset: false }, log);
  return { ...common, urls: sameOrigin(standalone.origin), credentials: standalone.credentials, adminToken: standalone.adminToken, description: 'an instance of the demo’s own, one process', stop: away(() => standalone.stop()) };
};

const sameOrigin = (origin: string): Record<ServiceName, string> => Object.fromEntries(SERVICES.map((service) => [service, origin])) as Record<ServiceName, string>;

const runningInstance = async (options: DemoOptions): Promise<Instance | undefined> => {
  const credentialsFile = join(options.dataDir, 'credentials.json');
  const ready = await fetch(`${options.url}/readyz`, { signal: AbortSignal.timeout(2_000) }).then((response) => response.ok, () => false);
  if (!ready || !existsSync(credentialsFile)) return undefined;
  return {
    urls: sameOrigin(options.url),
    credentials: JSON.parse(readFileSync(credentialsFile, 'utf8')) as Credentials,
    adminToken: readFileSync(join(options.dataDir, 'secrets', 'admin-token'), 'utf8'),
    trustedKeysFile: join(options.dataDir, 'secrets', 'trusted-keys.json'),
    description: `the instance running at ${options.url}`,
    stop: async () => undefined,
  };
};
