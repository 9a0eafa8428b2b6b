import type { Card } from './card.js';
import { shownDuration } from './shown-duration.js';
import { shownInstant } from './shown-instant.js';

/** A card as lines of text, for channels that have no layout of ours: a chat, a terminal. */
export interface CardSection {
  readonly title: string;
  readonly rows: readonly CardRow[];
}

/** `label` is ours; `text` may be anybody's words, made visible, with line breaks. */
export interface CardRow {
  readonly label: string;
  readonly text: string;
}

/** What a warning of a card says, on every channel. */
export const WARNING_WORDS: Readonly<Record<Card['warnings'][number]['found'], string>> = {
  control_characters: 'control characters, written as \\u codes',
  direction_controls: 'characters that reverse the reading direction, written as \\u codes',
  invisible_characters: 'invisible characters, written as \\u codes',
  mixed_scripts: 'letters of different alphabets mixed in one word',
  shortened: 'text too long to show in full; its length is given',
  markup: 'markup, shown as plain text',
  speaks_to_reviewer: 'words that seem to give you or another reader orders',
  link_names_other_host: 'a link that leads elsewhere than its words say, or hides where it leads',
};

/** Everything that the card says, in the order of the page; a row without text is left out, and a section without rows. */
export const cardSections = (card: Card): readonly CardSection[] =>
  [
    { title: 'Look closely', rows: card.warnings.map(({ where, found }) => ({ label: where, text: WARNING_WORDS[found] })) },
    { title: 'What exactly', rows: whatRows(card) },
    { title: 'Parameters', rows: parameterRows(card) },
    { title: 'Why a person must decide', rows: [{ label: 'Reason', text: card.why_approval.reason }, { label: 'Rule', text: card.why_approval.rule_id }, { label: 'Risk', text: riskText(card) }] },
    { title: 'What the agent says (nobody has checked it)', rows: agentRows(card) },
    { title: 'Compared with earlier ones', rows: comparisonRows(card) },
    { title: 'Questions and remarks (remarks of agents and models are no votes)', rows: saidRows(card) },
    { title: 'What happens next', rows: [{ label: 'If approved', text: `${card.if_approved} ${card.next_effect}` }, { label: 'If rejected', text: card.if_rejected }, { label: 'If nobody answers', text: card.if_nobody_answers }] },
    { title: 'Where it comes from', rows: originRows(card) },
  ]
    .map(({ title, rows }) => ({ title, rows: rows.filter(({ text }) => text !== '') }))
    .filter(({ rows }) => rows.length > 0);

const whatRows = (card: Card): readonly CardRow[] => [
  { label: 'Action', text: card.action.kind },
  { label: 'Tool', text: `${card.action.tool.name} ${card.action.tool.version}` },
  { label: 'Target', text: card.action.target },
  { label: 'Recipients', text: listed(card.more?.recipients ?? [], card.more?.recipients_not_shown ?? 0) },
  { label: 'Environment', text: card.action.environment },
  { label: 'Amount', text: card.amounts.map(({ shown }) => shown).join(', ') },
  { label: 'Runs', text: card.action.execution_mode === 'managed' ? 'by Exequatur; the agent never holds the credential' : 'in the agent’s own process' },
  ...card.narrowed_by_policy.map(({ pointer, value }) => ({ label: 'Policy narrows', text: `${pointer} becomes ${value}` })),
  ...card.limits.map(({ limit, value }) => ({ label: limit, text: value })),
  ...(card.more?.edited === undefined || card.more.edited === null ? [] : card.more.edited.changes.map(({ pointer, before, now }) => ({ label: `Changed by ${card.more?.edited?.by ?? ''}`, text: `${pointer}: ${orNothing(before)} → ${orNothing(now)}` }))),
];

const parameterRows = (card: Card): readonly CardRow[] => [
  ...card.parameters.map(({ pointer, type, value }) => ({ label: pointer === '' ? '(the whole)' : pointer, text: parameterText(type, value) })),
  ...(card.parameters_not_shown === 0 ? [] : [{ label: 'Not shown', text: `${card.parameters_not_shown} more parameters. You would be approving what you cannot see.` }]),
];

const parameterText = (type: Card['parameters'][number]['type'], value: string): string => {
  if (type === 'empty list') return '[ ]';
  if (type === 'empty object') return '{ }';
  return value === '' ? '(empty text)' : value;
};

const riskText = ({ action }: Card): string => `${action.risk_points} points${action.risk_tags.length === 0 ? '' : `, tagged ${action.risk_tags.join(', ')}`}`;

const agentRows = (card: Card): readonly CardRow[] => [
  { label: 'Why', text: card.agent_words === '' ? '(no reason)' : card.agent_words },
  { label: 'Business impact', text: card.business_impact },
  { label: 'Confidence', text: card.action.confidence },
  ...card.evidence.map(({ title, url }) => ({ label: 'Evidence', text: `${title} ${url}`.trim() })),
  { label: 'Evidence', text: card.evidence_not_shown === 0 ? '' : `${card.evidence_not_shown} more are not shown` },
  { label: 'Can be undone', text: `${card.reversal.possible ? 'yes' : 'no'}${card.reversal.words === '' ? '' : `: ${card.reversal.words}`}` },
];

const comparisonRows = ({ more }: Card): readonly CardRow[] => {
  if (more === undefined) return [];
  const { similar, earlier_rejections } = more;
  const like =
    similar === null
      ? [{ label: 'Last approved', text: 'nothing like it' }]
      : [
          { label: 'Last approved', text: `by ${similar.decided_by}, ${shownInstant(similar.decided_at)}${similar.amounts === '' ? '' : `, for ${similar.amounts}`}` },
          { label: 'Other values', text: similar.changed.join(', ') },
          { label: 'New here', text: similar.added.join(', ') },
          { label: 'Not here any more', text: similar.removed.join(', ') },
        ];
  return [...like, ...earlier_rejections.map(({ at, person, reason_code, instruction }) => ({ label: 'Rejected in this run', text: `${shownInstant(at)} by ${person}: ${reason_code}, ${instruction}` }))];
};

const saidRows = ({ more }: Card): readonly CardRow[] =>
  more === undefined
    ? []
    : [
        ...more.exchanges.flatMap(({ asked_by, question, answered_by, answer }) => [
          { label: `${asked_by} asked`, text: question },
          { label: answered_by === '' ? 'Answer' : `${answered_by} answered`, text: answered_by === '' ? '(not yet)' : answer },
        ]),
        ...more.annotations.map(({ by, by_type, by_requester, source, score, text }) => ({ label: `${by} (${by_type === 'person' ? 'person' : by_requester ? 'the requesting agent' : 'agent or model'}${source === by ? '' : `, ${source}`}${score === '' ? '' : `, score ${score}`})`, text })),
      ];

const originRows = (card: Card): readonly CardRow[] => [
  { label: 'Agent', text: card.agent.id },
  { label: 'Owner', text: card.agent.owner },
  { label: 'Scope', text: card.agent.scope_path },
  { label: 'Run', text: card.agent.run_id },
  { label: 'Thread', text: card.agent.thread_id },
  { label: 'Decide by', text: shownInstant(card.window.decide_by) },
  { label: 'A grant is valid', text: `${shownDuration(card.window.grant_valid_ms)}, ${card.window.uses === 1 ? 'one use' : `${card.window.uses} uses`}` },
  { label: 'Policy', text: `version ${card.policy.version}` },
];

const listed = (values: readonly string[], more: number): string => (values.length === 0 ? '' : `${values.join(', ')}${more === 0 ? '' : ` and ${more} more`}`);
const orNothing = (value: string): string => (value === '' ? 'nothing' : value);
