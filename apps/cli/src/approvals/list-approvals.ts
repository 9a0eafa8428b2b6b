import { callServer } from '../server-call.js';
import { EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { visibleLine } from '../visible-line.js';

export interface ListOptions {
  readonly kind?: string;
  readonly agent?: string;
  readonly role?: string;
  readonly view?: string;
  readonly mine?: boolean;
  readonly late?: boolean;
  readonly resolved?: boolean;
  readonly limit?: number;
  readonly json?: boolean;
}

interface Entry {
  readonly approval_id: string;
  readonly status: string;
  readonly decision_summary: { readonly title: string };
  readonly expires_at: string;
  readonly risk_points: number;
  readonly current_roles: readonly string[];
}

/** One page of the queue, what expires first on top. */
export const listApprovals = async (terminal: Terminal, { kind, agent, role, view, mine, late, resolved, limit = 50, json }: ListOptions): Promise<number> => {
  const query = new URLSearchParams(Object.entries({ kind, agent, role, view, limit: String(limit), ...(mine === true ? { mine: 'true' } : {}), ...(late === true ? { sla_due: 'true' } : {}), ...(resolved === true ? { include_resolved: 'true' } : {}) }).filter((entry): entry is [string, string] => entry[1] !== undefined));
  const { items, next_cursor } = await callServer<{ readonly items: readonly Entry[]; readonly next_cursor: string | null }>(terminal, 'GET', `/v1/approvals?${query.toString()}`);
  if (json === true) line(terminal, JSON.stringify({ items, next_cursor }));
  else {
    for (const each of items) line(terminal, visibleLine(`${each.approval_id}  ${each.status.padEnd(9)} ${each.expires_at}  ${String(each.risk_points).padStart(4)}  ${each.decision_summary.title}${each.status === 'open' ? ` (${each.current_roles.join(' or ')})` : ''}`));
    line(terminal, `${items.length}${next_cursor === null ? '' : ' and more'} ${items.length === 1 ? 'request' : 'requests'}`);
  }
  return EXIT.done;
};
