import { callServer } from '../server-call.js';
import { CommandFailed, EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { visibleLine } from '../visible-line.js';
import { drawCard, type ShownCard } from './draw-card.js';

export interface DecideOptions {
  /** hash of the card that was looked at before; another card that stands there now is not decided on */
  readonly view?: string;
  readonly json?: boolean;
}

interface Decided {
  readonly status: string;
  readonly approvals_missing: number;
  readonly grant_id?: string;
}

const path = (id: string, verb = ''): string => `/v1/approvals/${encodeURIComponent(id)}${verb === '' ? '' : `/${verb}`}`;

const cardOf = (terminal: Terminal, id: string): Promise<ShownCard> => callServer<ShownCard>(terminal, 'GET', path(id, 'card'));

export const showApproval = async (terminal: Terminal, id: string, { json }: DecideOptions): Promise<number> => {
  if (json === true) line(terminal, JSON.stringify(await callServer<object>(terminal, 'GET', path(id))));
  else for (const each of drawCard(await cardOf(terminal, id))) line(terminal, each);
  return EXIT.done;
};

/** Draws the card, so that nobody decides on what they were not shown, and asks before what cannot be undone. */
export const approve = async (terminal: Terminal, id: string, options: DecideOptions & { readonly rationale?: string; readonly yes?: boolean }): Promise<number> => {
  const card = await looked(terminal, id, options);
  if (!card.has_reversal && options.yes !== true) await confirmed(terminal, card);
  return send(terminal, card, options, 'approve', { view_hash: card.view_hash, ...(options.rationale === undefined ? {} : { rationale: options.rationale }) });
};

export const reject = async (terminal: Terminal, id: string, options: DecideOptions & { readonly reason: string; readonly code?: string; readonly instruction?: string }): Promise<number> => {
  const card = await looked(terminal, id, options);
  const { reason, code, instruction } = options;
  return send(terminal, card, options, 'reject', { view_hash: card.view_hash, reason, ...(code === undefined ? {} : { reason_code: code }), ...(instruction === undefined ? {} : { instruction }) });
};

export const respond = async (terminal: Terminal, id: string, options: DecideOptions & { readonly text: string }): Promise<number> => {
  const card = await looked(terminal, id, options);
  return send(terminal, card, options, 'respond', { view_hash: card.view_hash, response: options.text });
};

export const escalate = async (terminal: Terminal, id: string, options: DecideOptions & { readonly role?: string; readonly person?: string; readonly reason?: string }): Promise<number> => {
  const { role, person, reason } = options;
  if (role === undefined && person === undefined) throw new CommandFailed(EXIT.usage, 'say to whom: --role or --person');
  const card = await looked(terminal, id, options);
  return send(terminal, card, options, 'escalate', { ...(role === undefined ? {} : { to_role: role }), ...(person === undefined ? {} : { to_person: person }), ...(reason === undefined ? {} : { reason }) });
};

const looked = async (terminal: Terminal, id: string, { view, json }: DecideOptions): Promise<ShownCard> => {
  const card = await cardOf(terminal, id);
  if (json !== true) for (const each of drawCard(card)) line(terminal, each);
  if (view !== undefined && view !== card.view_hash) throw new CommandFailed(EXIT.no, 'another card stands there now: look at it again');
  return card;
};

/** @throws CommandFailed when the answer is not the word, or nobody is there to give it */
const confirmed = async (terminal: Terminal, { title }: ShownCard): Promise<void> => {
  if (terminal.ask === undefined) throw new CommandFailed(EXIT.usage, 'this cannot be undone, and nobody is there to be asked: --yes approves it all the same');
  const answer = await terminal.ask(`${visibleLine(title)}: this cannot be undone. Type "approve" to approve it: `);
  if (answer.trim() !== 'approve') throw new CommandFailed(EXIT.no, 'not approved');
};

const send = async (terminal: Terminal, { approval_id, version }: ShownCard, { json }: DecideOptions, verb: string, body: object): Promise<number> => {
  const decided = await callServer<Decided>(terminal, 'POST', path(approval_id, verb), { body, version });
  if (json === true) line(terminal, JSON.stringify(decided));
  else line(terminal, visibleLine(`${decided.status}${decided.status === 'open' && decided.approvals_missing > 0 ? `, ${decided.approvals_missing} more wanted` : ''}${decided.grant_id === undefined ? '' : `, grant ${decided.grant_id}`}`));
  return EXIT.done;
};
