import { REVIEW_BOUNDS, shownDuration, type ReviewFlag } from '@exequatur/approvals-domain';
import type { QualityRow } from '../review-quality/review-quality.http.js';
import { html, type HtmlValue, type Markup } from './html.js';
import { reasonWords } from './rejection-words.js';

interface ShownQuery {
  readonly by: 'reviewer' | 'kind' | 'rule';
  readonly days: number;
  readonly kind?: string;
  readonly reviewer?: string;
}
interface ReviewersPageContent {
  readonly rows: readonly QualityRow[];
  readonly query: ShownQuery;
  /** false: only what this person decided */
  readonly everybody: boolean;
}

const BY = [
  ['reviewer', 'By reviewer', 'Reviewer'],
  ['kind', 'By kind', 'Kind of action'],
  ['rule', 'By rule', 'Rule'],
] as const;
const SPANS = [7, 30, 90];

const FLAGS: Readonly<Record<ReviewFlag, readonly [words: string, meaning: string]>> = {
  approves_nearly_everything: ['Approves nearly everything', `more than ${REVIEW_BOUNDS.approvalRate * 100} % of at least ${REVIEW_BOUNDS.rateVolume} decisions`],
  decides_too_fast: ['Decides too fast', `half of at least ${REVIEW_BOUNDS.dwellVolume} decisions came less than ${REVIEW_BOUNDS.dwellMs / 1_000} seconds after the first look`],
  misses_canaries: ['Misses planted requests', `fewer than half of at least ${REVIEW_BOUNDS.canaryVolume} were noticed`],
};

const pathWith = (query: ShownQuery, change: Partial<Record<keyof ShownQuery, string | number | undefined>>): string => {
  const wanted = Object.entries({ ...query, ...change }).filter(([, value]) => value !== undefined);
  return `/queue/reviewers?${new URLSearchParams(Object.fromEntries(wanted.map(([name, value]) => [name, String(value)]))).toString()}`;
};

const percent = (rate: string): string => `${Number((Number(rate) * 100).toFixed(1))} %`;
const SHORT: Readonly<Record<string, string>> = { day: 'd', hour: 'h', minute: 'min', second: 's' };
/** `1 h 35 min`: as narrow as a column is. */
const time = (ms: number | undefined): string => (ms === undefined ? '–' : shownDuration(ms).replaceAll(/(day|hour|minute|second)s?/g, (unit) => SHORT[unit.replace(/s$/, '')] ?? unit));

/** Numbers with a name each, in the order of their columns. */
const NUMBERS: readonly (readonly [name: string, of: (row: QualityRow) => string | number])[] = [
  ['Decisions', ({ decisions }) => decisions],
  ['Approved', ({ approval_rate, decisions }) => (decisions === 0 ? '–' : percent(approval_rate))],
  ['Narrowed', ({ narrowed_rate, decisions }) => (decisions === 0 ? '–' : percent(narrowed_rate))],
  ['Changed', ({ edit_rate, decisions }) => (decisions === 0 ? '–' : percent(edit_rate))],
  ['Overrides', ({ override_rate, decisions }) => (decisions === 0 ? '–' : percent(override_rate))],
  ['Waited', ({ median_decision_ms }) => time(median_decision_ms)],
  ['Read for', ({ median_dwell_ms }) => time(median_dwell_ms)],
  ['Noticed', ({ canaries, canaries_noticed }) => (canaries === 0 ? '–' : `${canaries_noticed} of ${canaries}`)],
];

const about = ({ of, flags, rejection_reasons }: QualityRow, query: ShownQuery): HtmlValue => {
  const narrower = { reviewer: { by: 'kind', reviewer: of }, kind: { by: 'reviewer', kind: of }, rule: undefined }[query.by];
  const reasons = Object.entries(rejection_reasons).map(([code, n]) => `${reasonWords(code)} (${n})`);
  return html`<th scope="row">${narrower === undefined ? of : html`<a href="${pathWith(query, narrower)}">${of}</a>`}${flags.length > 0 && html`<span class="flags">${flags.map((flag) => html`<span class="pill bad">${FLAGS[flag][0]}</span>`)}</span>`}${reasons.length > 0 && html`<span class="hint">Rejected for: ${reasons.join(', ')}</span>`}</th>`;
};

const table = (rows: readonly QualityRow[], query: ShownQuery): Markup => html`<div class="part scroll" role="region" aria-label="Numbers" tabindex="0"><table class="numbers">
<thead><tr><th scope="col">${BY.find(([by]) => by === query.by)?.[2]}</th>${NUMBERS.map(([name]) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${about(row, query)}${NUMBERS.map(([name, of]) => html`<td data-name="${name}">${of(row)}</td>`)}</tr>`)}</tbody></table></div>`;

const MEANINGS = html`<details class="fine"><summary>What the numbers mean</summary><dl class="facts">
<div><dt>Changed</dt><dd>decided on arguments that they changed</dd></div>
<div><dt>Overrides</dt><dd>approved alone outside the quorum, or asked for more than the rule judged</dd></div>
<div><dt>Waited</dt><dd>median time from the request to the decision</dd></div>
<div><dt>Read for</dt><dd>median time from the first look to the decision</dd></div>
<div><dt>Noticed</dt><dd>planted requests that were not approved; they count nowhere else</dd></div>
${Object.values(FLAGS).map(([words, meaning]) => html`<div><dt>${words}</dt><dd>${meaning}</dd></div>`)}
</dl><p>A flag asks for a look. Nothing is decided by it.</p></details>`;

const onlyAbout = ({ reviewer, kind }: ShownQuery, query: ShownQuery): HtmlValue => {
  const named = [...(reviewer === undefined ? [] : [reviewer]), ...(kind === undefined ? [] : [kind])];
  return named.length > 0 && html`<p class="banner">Only ${named.join(', ')}. <a href="${pathWith(query, { by: 'reviewer', reviewer: undefined, kind: undefined })}">Show all</a></p>`;
};

/** Rates, times and flags, from the votes alone. */
export const reviewersView = ({ rows, query, everybody }: ReviewersPageContent): Markup => html`<div class="heading"><h1>${everybody ? 'Reviewers' : 'How you review'}</h1><p class="muted">the last ${query.days === 1 ? 'day' : `${query.days} days`}</p></div>
<nav class="views" aria-label="Numbers by">${BY.map(([by, words]) => html`<a href="${pathWith(query, { by })}"${by === query.by && html` aria-current="page"`}>${everybody || by !== 'reviewer' ? words : 'In all'}</a>`)}</nav>
<nav class="views" aria-label="Period">${[...new Set([...SPANS, query.days])].sort((left, right) => left - right).map((days) => html`<a href="${pathWith(query, { days })}"${days === query.days && html` aria-current="page"`}>${days === 1 ? '1 day' : `${days} days`}</a>`)}</nav>
${everybody && onlyAbout(query, query)}
${rows.length === 0 ? html`<div class="empty"><p>${everybody ? 'Nobody decided anything in these days.' : 'You decided nothing in these days.'}</p></div>` : html`${table(rows, query)}${MEANINGS}`}`;
