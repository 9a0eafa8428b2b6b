import { setTimeout as sleep } from 'node:timers/promises';
import { callServer, queryOf } from '../server-call.js';
import { EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { readText } from './read-files.js';

interface Published {
  readonly policy_version: number;
  readonly policy_hash: string;
}

interface RemoteOptions {
  readonly tenant?: string;
}

/** How often a server is asked whether a version is in force. */
const LOOK_AGAIN_MS = 250;

export const publish = async (terminal: Terminal, file: string, options: RemoteOptions & { readonly reason: string; readonly wait?: number }): Promise<number> => {
  const published = await callServer<Published>(terminal, 'POST', '/v1/policies', { body: { ...tenantOf(options), source: readText(file), reason: options.reason } });
  return shown(terminal, published, options);
};

export const rollBack = async (terminal: Terminal, version: number, options: RemoteOptions & { readonly reason: string; readonly wait?: number }): Promise<number> => {
  const published = await callServer<Published>(terminal, 'POST', '/v1/policies/rollback', { body: { ...tenantOf(options), to_version: version, reason: options.reason } });
  return shown(terminal, published, options);
};

export const waitInForce = async (terminal: Terminal, version: number, options: RemoteOptions & { readonly timeout: number }): Promise<number> => {
  const until = Date.now() + options.timeout * 1_000;
  for (;;) {
    const { status } = await callServer<{ readonly status: string }>(terminal, 'GET', `/v1/policies/${version}${queryOf({ tenant: options.tenant })}`);
    if (status === 'in_force') {
      line(terminal, `version ${version} is in force`);
      return EXIT.done;
    }
    if (Date.now() >= until) {
      line(terminal, `version ${version} is not in force after ${options.timeout} s`);
      return EXIT.no;
    }
    await sleep(LOOK_AGAIN_MS);
  }
};

const tenantOf = ({ tenant }: RemoteOptions): { tenant?: string } => (tenant === undefined ? {} : { tenant });

const shown = async (terminal: Terminal, { policy_version: version, policy_hash: hash }: Published, options: RemoteOptions & { readonly wait?: number }): Promise<number> => {
  line(terminal, `version ${version} is published, ${hash}`);
  return options.wait === undefined ? EXIT.done : waitInForce(terminal, version, { ...options, timeout: options.wait });
};
