import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '@exequatur/kernel';
import { CommandFailed, EXIT, line } from '../terminal.js';
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
  const published = await call<Published>(terminal, 'POST', '/v1/policies', { ...tenantOf(options), source: readText(file), reason: options.reason });
  return shown(terminal, published, options);
};

export const rollBack = async (terminal: Terminal, version: number, options: RemoteOptions & { readonly reason: string; readonly wait?: number }): Promise<number> => {
  const published = await call<Published>(terminal, 'POST', '/v1/policies/rollback', { ...tenantOf(options), to_version: version, reason: options.reason });
  return shown(terminal, published, options);
};

export const waitInForce = async (terminal: Terminal, version: number, options: RemoteOptions & { readonly timeout: number }): Promise<number> => {
  const query = options.tenant === undefined ? '' : `?tenant=${encodeURIComponent(options.tenant)}`;
  const until = Date.now() + options.timeout * 1_000;
  for (;;) {
    const { status } = await call<{ readonly status: string }>(terminal, 'GET', `/v1/policies/${version}${query}`);
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

interface Answered {
  readonly detail?: string;
  readonly title?: string;
  readonly code?: string;
  readonly errors?: readonly { readonly expected: string }[];
}

/** @throws CommandFailed with what the server said; the token is named nowhere */
const call = async <T>({ env }: Terminal, method: 'GET' | 'POST', path: string, body?: object): Promise<T> => {
  const { EXEQUATUR_URL: url, EXEQUATUR_TOKEN: token } = env;
  if (url === undefined || token === undefined) throw new CommandFailed(EXIT.usage, 'EXEQUATUR_URL and EXEQUATUR_TOKEN say which server, and who asks');
  const response = await fetch(new URL(path, url), {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json', 'idempotency-key': newId() }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch(() => undefined);
  if (response === undefined) throw new CommandFailed(EXIT.server, `${url} cannot be reached`);
  const answer = (await response.json().catch(() => ({}))) as T & Answered;
  if (response.ok) return answer;
  throw new CommandFailed(EXIT.server, [`${answer.code ?? response.status}: ${answer.detail ?? answer.title ?? 'the server refuses'}`, ...(answer.errors ?? []).map(({ expected }) => `  ${expected}`)].join('\n'));
};
