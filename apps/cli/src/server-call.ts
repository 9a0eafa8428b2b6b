import { newId } from '@exequatur/kernel';
import { CommandFailed, EXIT } from './terminal.js';
import type { Terminal } from './terminal.js';
import { visibleLine } from './visible-line.js';

interface Answered {
  readonly detail?: string;
  readonly title?: string;
  readonly code?: string;
  readonly errors?: readonly { readonly pointer?: string; readonly expected: string }[];
}

export interface ServerRequest {
  readonly body?: object;
  /** Idempotency-Key of a POST; a new one when left out */
  readonly key?: string;
  /** version that is acted on, for If-Match */
  readonly version?: number;
}

/**
 * One request to the server that EXEQUATUR_URL names, as who EXEQUATUR_TOKEN says. @returns the answer, with its status
 * @throws CommandFailed with what the server said; the token is named nowhere
 */
export const callServer = async <T>({ env }: Terminal, method: 'GET' | 'POST', path: string, { body, key = newId(), version }: ServerRequest = {}): Promise<T> => {
  const { EXEQUATUR_URL: url, EXEQUATUR_TOKEN: token } = env;
  if (url === undefined || token === undefined) throw new CommandFailed(EXIT.usage, 'EXEQUATUR_URL and EXEQUATUR_TOKEN say which server, and who asks');
  const response = await fetch(new URL(path, url), {
    method,
    headers: { authorization: `Bearer ${token}`, ...(method === 'GET' ? {} : { 'content-type': 'application/json', 'idempotency-key': key }), ...(version === undefined ? {} : { 'if-match': `"${version}"` }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch(() => undefined);
  if (response === undefined) throw new CommandFailed(EXIT.server, `${url} cannot be reached`);
  const answer = (await response.json().catch(() => ({}))) as T & Answered;
  if (response.ok) return answer;
  throw new CommandFailed(EXIT.server, [`${answer.code ?? response.status}: ${answer.detail ?? answer.title ?? 'the server refuses'}`, ...(answer.errors ?? []).map(({ pointer, expected }) => `  ${pointer === undefined || pointer === '' ? '' : `${pointer}: `}${expected}`)].map(visibleLine).join('\n'));
};

/** `?a=1&b=2` of those that are given; nothing where none is. */
export const queryOf = (fields: Readonly<Record<string, string | number | undefined>>): string => {
  const given = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]));
  return given.length === 0 ? '' : `?${given.join('&')}`;
};
