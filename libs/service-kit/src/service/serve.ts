import { ConfigError, loadConfig } from '../config/load-config.js';
import type { ServiceConfig } from '../config/service-config.js';
import { isError } from '../problem/is-error.js';
import { createService } from './create-service.js';
import type { RunningService, ServiceDefinition } from './service-definition.js';

/** What an app exports. */
export interface ServableService {
  readonly definition: ServiceDefinition;
  readonly Config: new () => ServiceConfig;
}

/** The part of `process` that a program needs. */
export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>;
  once(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
  exit(code: number): void;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** One sentence for what an operator can mend, a stack for what only we can. */
const reasonOf = (error: unknown): string => {
  if (error instanceof ConfigError) return error.message;
  return isError(error) ? (error.stack ?? error.message) : 'unknown reason';
};

/**
 * A service as a program of its own: configuration from the environment, a port, an end by SIGTERM or SIGINT within 5 s.
 * The whole of an app's main.ts: `await serve(policyService)`.
 */
export const serve = async ({ definition, Config }: ServableService, host: Host = process): Promise<void> => {
  let running: RunningService | undefined;
  const stop = (): void => {
    // While starting there is nothing to drain; connections end with the process.
    if (running === undefined) host.exit(0);
    else void running.close().finally(() => host.exit(0));
  };
  host.once('SIGTERM', stop);
  host.once('SIGINT', stop);
  try {
    running = await createService(definition, loadConfig(Config, host.env));
    host.stdout.write(`${definition.name} listens on ${await running.listen()}\n`);
  } catch (error) {
    host.stderr.write(`${definition.name} could not start: ${reasonOf(error)}\n`);
    await running?.close();
    host.exit(1);
  }
};
