import { shownInstant, visibleText } from '@exequatur/approvals-domain';
import type { Happening } from '../tell-channels/channel.js';

/** What stands in the queue's row: facts alone, no argument, no word of the agent, nothing that can be erased. */
export interface MailFacts {
  readonly approval_id: string;
  readonly title: string;
  readonly why: string;
  readonly agent: string;
  readonly action_kind: string;
  readonly environment: string | null;
  readonly risk_points: number;
  readonly status: string;
  readonly decided_by: string | null;
  readonly expires_at: Date;
}

export interface MailText {
  readonly subject: string;
  readonly text: string;
}

const SUBJECT_LENGTH = 150;
const LINE_LENGTH = 500;

/** What mail programs make into a link by themselves; ours is the only one that may be clicked. */
const LINKS = /(:)(\/\/)|\b(www)(\.)|(mailto|javascript|data)(:)/gi;

/**
 * One line that shows what it holds: nothing invisible, no second header line, no link. Bounded.
 */
export const mailLine = (source: string, limit: number): string =>
  visibleText(source.replace(/\s+/gu, ' ').trim(), limit)
    .text.replace(LINKS, (found) => `${found.slice(0, -1)} ${found.slice(-1)}`)
    .slice(0, limit);

const BEGINS: Readonly<Partial<Record<Happening, string>>> = {
  'approval.opened': 'Decision wanted',
  'approval.escalated': 'Escalated to you',
  'approval.reminded': 'Still waits for a decision',
  'approval.emergency': 'Approved in an emergency, to be reviewed',
  'approval.resolved': 'Decided',
};

const STATUS_WORDS: Readonly<Record<string, string>> = {
  open: 'It waits for a decision.',
  granted: 'It was granted.',
  rejected: 'It was rejected.',
  answered: 'It was answered; nothing runs.',
  expired: 'Nobody decided in time.',
  cancelled: 'It was cancelled.',
  revoked: 'The grant was taken back.',
};

/** A mail that says that something waits and where. It holds no key to anything: the link leads to the login. */
export const requestMail = (happening: Happening, facts: MailFacts, publicUrl: string): MailText => {
  const line = (words: string, value: string | null): readonly string[] => (value === null || value === '' ? [] : [`${words}: ${mailLine(value, LINE_LENGTH)}`]);
  const decided = facts.decided_by === null ? [] : line('By', facts.decided_by);
  return {
    subject: mailLine(`${BEGINS[happening] ?? 'Changed'}: ${facts.title}`, SUBJECT_LENGTH),
    text: [
      mailLine(facts.title, LINE_LENGTH),
      '',
      STATUS_WORDS[facts.status] ?? '',
      ...decided,
      ...line('Why a person is asked', facts.why),
      ...line('Action', facts.action_kind),
      ...line('Agent', facts.agent),
      ...line('Environment', facts.environment),
      `Risk points: ${facts.risk_points}`,
      ...(facts.status === 'open' ? [`Decide by: ${shownInstant(facts.expires_at.toISOString())}`] : []),
      '',
      'Look at it and decide after signing in:',
      `${publicUrl}/approvals/${facts.approval_id}`,
      '',
      'Nobody can decide by answering this mail.',
      '',
    ].join('\n'),
  };
};

/** The alert that requests end in silence more often than they did. */
export const alertMail = (expired: number, publicUrl: string): MailText => ({
  subject: `Alert: ${expired} requests ended without an answer`,
  text: [`${expired} requests ended without anybody answering in the last 15 minutes, more than before.`, '', 'See what waits:', `${publicUrl}/queue`, ''].join('\n'),
});
