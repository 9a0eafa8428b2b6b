import { CODES } from '@exequatur/contracts';
import type { Code } from '@exequatur/contracts';
import { EVALUATED } from './payloads.js';
import type { Received, Sent } from './wire.js';
import { FOREIGN_CANARY } from './world.js';

/** One hostile request with the only codes that may answer it; `any` is any code below 500. */
export interface Attack {
  readonly endpoint: string;
  readonly what: string;
  readonly sent: Sent;
  readonly codes: readonly Code[] | 'any';
}

/** What an answer must never show: our code, SQL, places on our disk, another tenant. */
const LEAKS = [/\bat \S+ \(|\.(?:ts|js):\d+|node_modules|file:\/\//, /\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM)\b [^"]*\b(?:FROM|VALUES|SET|WHERE)\b/, /syntax error|relation "|column "|violates|duplicate key value|\bpg_[a-z]{3}|ECONN|ENOENT/, /\/(?:tmp|work|root|home|usr)\//, new RegExp(FOREIGN_CANARY), new RegExp(EVALUATED)];

/** Why the answer is not the refusal it must be; undefined when it is. */
export const faultOf = ({ codes, sent }: Attack, { status, type, text }: Received): string | undefined => {
  const leak = LEAKS.find((pattern) => pattern.test(text));
  if (leak !== undefined) return `shows ${String(leak)}: ${text.slice(0, 300)}`;
  if (status < 400 || status > 499) return `${status} ${text.slice(0, 300)}`;
  if (sent.path.startsWith('/cycles/') && !UNREADABLE_PATH.test(sent.path)) return cyclesFaultOf(codes, status, type, text);
  if (!type.startsWith('application/problem+json')) return `${status} as ${type}: ${text.slice(0, 300)}`;
  const problem = JSON.parse(text) as { code?: string; status?: number; type?: string; title?: string; retryable?: boolean };
  const { code } = problem;
  if (code === undefined || !Object.hasOwn(CODES, code)) return `unknown code ${String(code)}`;
  const entry = CODES[code as Code];
  if (entry.status !== status || problem.status !== status || problem.title !== entry.title || problem.retryable !== entry.retryable || typeof problem.type !== 'string') return `${code} is not as its table says: ${status} ${text.slice(0, 300)}`;
  return codes === 'any' || codes.includes(code as Code) ? undefined : `${code}, expected ${codes.join(' or ')}: ${text.slice(0, 300)}`;
};

/** Reaches no route and so no surface: answered before anybody knows whose words to use. */
const UNREADABLE_PATH = /^[^?]*(?:%ff|%zz|a{500})/;

/** What the protocol says where we would say a code: another body, fewer words. */
const IN_CYCLES: Partial<Record<Code, string>> = {
  UNAUTHENTICATED: '401 UNAUTHORIZED',
  FORBIDDEN: '403 FORBIDDEN',
  NOT_FOUND: '404 NOT_FOUND',
  MALFORMED: '400 INVALID_REQUEST',
  INVALID: '400 INVALID_REQUEST',
  TOO_LARGE: '400 INVALID_REQUEST',
  UNSUPPORTED_MEDIA_TYPE: '400 INVALID_REQUEST',
  METHOD_NOT_ALLOWED: '400 INVALID_REQUEST',
};

const cyclesFaultOf = (codes: Attack['codes'], status: number, type: string, text: string): string | undefined => {
  if (!type.startsWith('application/json')) return `${status} as ${type}: ${text.slice(0, 300)}`;
  const { error, message, request_id, trace_id } = JSON.parse(text) as Record<string, unknown>;
  if (typeof message !== 'string' || typeof request_id !== 'string' || !/^[0-9a-f]{32}$/.test(String(trace_id))) return `no ErrorResponse: ${text.slice(0, 300)}`;
  const said = `${status} ${String(error)}`;
  return codes === 'any' || codes.some((code) => IN_CYCLES[code] === said) ? undefined : `${said}, expected ${codes.map((code) => IN_CYCLES[code] ?? code).join(' or ')}: ${text.slice(0, 300)}`;
};

export interface Tally {
  readonly faults: readonly string[];
  /** requests by endpoint */
  readonly asked: ReadonlyMap<string, number>;
  readonly byCode: ReadonlyMap<string, number>;
}

const AT_ONCE = 6;

/** Sends them all, a few at a time, and says what was wrong with the answers. */
export const attackAll = async (attacks: readonly Attack[], ask: (sent: Sent) => Promise<Received>): Promise<Tally> => {
  const faults: string[] = [];
  const asked = new Map<string, number>();
  const byCode = new Map<string, number>();
  let next = 0;
  const raise = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);
  const work = async (): Promise<void> => {
    for (let attack = attacks[next++]; attack !== undefined; attack = attacks[next++]) {
      raise(asked, attack.endpoint);
      try {
        const received = await ask(attack.sent);
        raise(byCode, `${received.status} ${/"code":"([A-Z_]+)"/.exec(received.text)?.[1] ?? ''}`);
        const fault = faultOf(attack, received);
        if (fault !== undefined) faults.push(`${attack.endpoint} · ${attack.what} (${attack.sent.path.slice(0, 120)}): ${fault}`);
      } catch (error) {
        faults.push(`${attack.endpoint} · ${attack.what}: no answer: ${String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { faults, asked, byCode };
};
