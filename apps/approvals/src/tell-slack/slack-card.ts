import { cardSections, shownInstant, visibleText, type CardSection } from '@exequatur/approvals-domain';
import type { ShownRequest } from '../show-request/show-request.js';

type Block = Readonly<Record<string, unknown>>;

export interface SlackCard {
  /** for notifications; no mark-up in it works */
  readonly text: string;
  readonly blocks: readonly Block[];
  /** whether it can be decided from here: everything that the card says stands in it, and it is open */
  readonly decidable: boolean;
}

export interface SlackCardOptions {
  readonly shows: 'facts' | 'card';
  /** facts of the queue: never sealed content */
  readonly summary: { readonly title: string; readonly why: string };
  readonly risk_points: number;
  readonly hasReversal: boolean;
  readonly publicUrl: string;
}

/** Documented limits of Block Kit, with room left for what stands around the card. */
const MOST_BLOCKS = 44;
const HEADER = 150;
const SECTION = 2_900;
const FIELD = 1_900;
const OPTION = 70;
const MOST_OPTIONS = 100;

/** What Slack reads as control characters in every text object; shown as they were. */
const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
const escaped = (text: string): string => text.replace(/[&<>]/g, (found) => escapes[found] ?? found);

/** Nothing of it is mark-up, a mention, a link or an emoji. A line of somebody's words cannot pass for a line of the card. */
const plain = (text: string): Block => ({ type: 'plain_text', text: escaped(text), emoji: false });
const quoted = (text: string): string => text.replaceAll('\n', '\n    ¦ ');
const fits = (text: string, limit: number): boolean => escaped(text).length <= limit;
/** Cut so that what is left fits however much of it is escaped. */
const cut = (text: string, limit: number): string => (fits(text, limit) ? text : visibleText(text, Math.floor(limit / 6)).text);

const STATUS: Readonly<Record<ShownRequest['status'], string>> = { open: 'Waits for a decision', granted: 'Granted', rejected: 'Rejected', answered: 'Answered', expired: 'Expired: nobody decided in time', cancelled: 'Cancelled', revoked: 'Granted, and taken back' };

/** What a button sends back: which request, at which version, and the card that stood there. */
export const buttonValue = ({ approval_id, version, view_hash }: Pick<ShownRequest, 'approval_id' | 'version' | 'view_hash'>): string => `${approval_id}.${version}.${view_hash}`;
const VALUE = /^([0-9a-f-]{36})\.([0-9]{1,9})\.(sha256:[0-9a-f]{64})$/;

export const readButtonValue = (value: string): { readonly approvalId: string; readonly version: number; readonly viewHash: string } | undefined => {
  const [, approvalId, version, viewHash] = VALUE.exec(value) ?? [];
  return approvalId === undefined || version === undefined || viewHash === undefined ? undefined : { approvalId, version: Number(version), viewHash };
};

/** A request as a message. Nobody decides on what they were not shown: where the whole card does not fit, it is decided on the page. */
export const slackCard = (shown: ShownRequest, options: SlackCardOptions): SlackCard => {
  const sections = options.shows === 'card' && shown.card !== null ? [...cardSections(shown.card), ...narrowedSection(shown)] : undefined;
  const content = sections === undefined ? undefined : sectionBlocks(sections);
  const open = shown.status === 'open';
  const decidable = open && content !== undefined;
  const text = cut(`${STATUS[shown.status]}: ${options.summary.title}`, SECTION);
  return {
    text: escaped(text),
    decidable,
    blocks: [
      { type: 'header', text: plain(cut(options.summary.title, HEADER)) },
      { type: 'section', fields: standing(shown, options).map(([label, value]) => plain(`${label}\n${cut(value, FIELD)}`)) },
      ...(content ?? [{ type: 'section', text: plain(cut(`Why a person is asked: ${quoted(options.summary.why)}`, SECTION)) }]),
      ...(open ? [{ type: 'context', elements: [plain(decidable ? 'What you press counts for exactly what stands here.' : whyOnThePage(options, shown))] }] : []),
      { type: 'actions', elements: [...(decidable ? decisionButtons(shown, options) : []), { type: 'button', action_id: 'open', text: plain('Open'), url: `${options.publicUrl}/approvals/${shown.approval_id}` }] },
    ],
  };
};

const whyOnThePage = ({ shows }: SlackCardOptions, { card }: ShownRequest): string => (shows === 'facts' || card === null ? 'Open it to see what exactly would run, and decide there.' : 'It is too long to be shown here in full: open it, and decide there.');

const standing = (shown: ShownRequest, { risk_points }: SlackCardOptions): readonly (readonly [string, string])[] => {
  const stage = shown.quorum.stages[shown.quorum.stage];
  const given = shown.quorum.approvals.filter((each) => each.stage === shown.quorum.stage).length;
  const by = shown.resolution?.person;
  return [
    ['Status', `${STATUS[shown.status]}${by === undefined ? '' : ` by ${by}`}`],
    ['Risk', `${risk_points} points`],
    ...(shown.status === 'open' ? ([['Decide by', shownInstant(shown.expires_at)], ...(stage === undefined ? [] : [['Asked', `${given} of ${stage.quorum} from ${stage.roles.join(' or ')}`] as const])] as const) : ([['Ended', shownInstant(shown.resolution?.at ?? shown.expires_at)]] as const)),
    ...(shown.emergency === null ? [] : [['Emergency', shown.emergency.reviewed ? 'reviewed' : 'to be reviewed'] as const]),
  ];
};

const narrowedSection = ({ narrowed }: ShownRequest): readonly CardSection[] =>
  narrowed.length === 0 ? [] : [{ title: 'Narrower by votes so far', rows: narrowed.map(({ pointer, proposed, accepted }) => ({ label: pointer, text: `${proposed} → ${accepted}` })) }];

/** One block a section, or several where it is long; undefined when all of it together does not fit into a message. */
const sectionBlocks = (sections: readonly CardSection[]): readonly Block[] | undefined => {
  const blocks = sections.flatMap(({ title, rows }) => {
    const texts: string[] = [];
    let current = title.toUpperCase();
    for (const { label, text } of rows) {
      const line = `${label}: ${quoted(text)}`;
      if (fits(`${current}\n${line}`, SECTION)) current = `${current}\n${line}`;
      else {
        texts.push(current);
        current = line;
      }
    }
    return [...texts, current];
  });
  if (blocks.length > MOST_BLOCKS || !blocks.every((text) => fits(text, SECTION))) return undefined;
  return blocks.map((text) => ({ type: 'section', text: plain(text) }));
};

const decisionButtons = (shown: ShownRequest, { hasReversal }: SlackCardOptions): readonly Block[] => {
  const value = buttonValue(shown);
  const ask = { title: plain('It cannot be undone'), text: plain('There is no way to undo this. Approve it?'), confirm: plain('Approve'), deny: plain('Not yet') };
  return [
    { type: 'button', action_id: 'approve', style: 'primary', text: plain('Approve'), value, ...(hasReversal ? {} : { confirm: ask }) },
    { type: 'button', action_id: 'reject', style: 'danger', text: plain('Reject'), value },
  ];
};

/** The dialog that asks why; what it is about travels with it, signed by Slack on the way back. */
export const rejectionDialog = (value: string, title: string, place: { readonly channel: string; readonly ts: string }, reasons: readonly (readonly [code: string, words: string])[]): object => ({
  type: 'modal',
  callback_id: 'reject',
  private_metadata: JSON.stringify({ value, ...place }),
  title: plain('Reject'),
  submit: plain('Reject'),
  close: plain('Back'),
  blocks: [
    { type: 'section', text: plain(cut(title, SECTION)) },
    { type: 'input', block_id: 'code', label: plain('Reason'), element: { type: 'static_select', action_id: 'choice', options: reasons.slice(0, MOST_OPTIONS).map(([code, words]) => ({ text: plain(cut(words, OPTION)), value: code })) } },
    { type: 'input', block_id: 'reason', label: plain('Why? The agent is told.'), element: { type: 'plain_text_input', action_id: 'words', multiline: true, max_length: 3_000 } },
  ],
});
