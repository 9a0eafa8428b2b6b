import { createHash } from 'node:crypto';
import { notePartsOf } from '@exequatur/audit-chain';
import type { ReceiptDocument } from '@exequatur/contracts';
import { html, Markup } from '../pages/html.js';
import type { HtmlValue } from '../pages/html.js';

const STYLE = `@page{size:A4;margin:12mm}
:root{color-scheme:light}
body{font:13px/1.4 system-ui,sans-serif;color:#14171a;background:#fff;max-width:190mm;margin:0 auto;padding:8mm}
h1{font-size:20px;margin:0}h2{font-size:14px;margin:14px 0 4px;border-bottom:1px solid #c8ced4}
.sub{color:#4a545e;margin:2px 0 10px}.outcome{display:inline-block;border:1px solid #14171a;border-radius:3px;padding:1px 8px;font-weight:600}
dl{display:grid;grid-template-columns:max-content 1fr;gap:1px 12px;margin:0}dt{color:#4a545e}dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}th{text-align:left;color:#4a545e;font-weight:400}
th,td{border-bottom:1px solid #e3e7ea;padding:2px 8px 2px 0;vertical-align:top}td{overflow-wrap:anywhere}
code,pre{font:11px/1.35 ui-monospace,monospace;overflow-wrap:anywhere;white-space:pre-wrap;margin:0}
tr,dl,pre{break-inside:avoid}
@media print{body{padding:0;font-size:11px}code,pre{font-size:9px}}`;

/** No script, no image, nothing from elsewhere; the one stylesheet by its hash. */
export const RECEIPT_PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`;

type Step = ReceiptDocument['steps'][number];
type Data = Readonly<Record<string, unknown>>;

const dataOf = (step: Step): Data => (typeof step.data === 'object' && step.data !== null ? (step.data as Data) : {});
const nameOf = ({ type }: Step): string => type.split('.').at(-2) ?? type;
const textOf = (value: unknown): string | undefined => (value === undefined || value === null ? undefined : typeof value === 'string' ? value : JSON.stringify(value));

const row = (label: string, value: HtmlValue): HtmlValue => (value === undefined || value === '' ? undefined : html`<dt>${label}</dt><dd>${value}</dd>`);
const code = (value: unknown): HtmlValue => (value === undefined ? undefined : html`<code>${textOf(value)}</code>`);

/** Fields of an event that a reader of one page needs; the document has all of them. */
const TOLD: readonly (readonly [field: string, label: string])[] = [
  ['code', 'code'],
  ['rule_id', 'rule'],
  ['reason', 'because'],
  ['policy_version', 'policy version'],
  ['vote', 'vote'],
  ['role', 'as'],
  ['reason_code', 'reason'],
  ['instruction', 'instruction'],
  ['narrowed', 'narrowed'],
  ['use_no', 'use'],
  ['execute_by', 'execute by'],
  ['outcome', 'outcome'],
  ['attested_by', 'attested by'],
  ['provider_request_id', 'provider request'],
  ['result', 'result'],
  ['person', 'by'],
  ['actual', 'used'],
  ['expires_at', 'until'],
];

const sentenceOf = (step: Step): string =>
  TOLD.flatMap(([field, label]) => {
    const value = textOf(dataOf(step)[field]);
    return value === undefined || value === '' || value === '[]' ? [] : [`${label} ${value}`];
  }).join('; ');

const stepRow = (step: Step): Markup =>
  html`<tr><td>${step.time}</td><td>${nameOf(step)}<br><small>${step.actor.type} ${step.actor.id}</small></td><td>${sentenceOf(step)}</td><td>${step.sequence}${step.pending === true ? ' (not yet under a tree head)' : undefined}</td><td><code>${step.event_hash.slice('sha256:'.length, 'sha256:'.length + 16)}…</code></td></tr>`;

const proposalPart = (document: ReceiptDocument): HtmlValue => {
  const proposed = document.steps.find((step) => nameOf(step) === 'ActionProposed');
  if (proposed === undefined) return undefined;
  const { facts, arguments_hash: argumentsHash, target_hash: targetHash } = dataOf(proposed) as { facts?: Data; arguments_hash?: string; target_hash?: string };
  const tool = facts?.['tool'] as Data | undefined;
  return html`<h2>What was asked</h2><dl>${[
    row('Agent', textOf(facts?.['agent'])),
    row('Kind', textOf(facts?.['action_kind'])),
    row('Tool', tool === undefined ? undefined : `${textOf(tool['name'])} ${textOf(tool['version'])}`),
    row('Scope', textOf(facts?.['scope_path'])),
    row('Run', textOf(facts?.['run_id'])),
    row('Execution', textOf(facts?.['execution_mode'])),
    row('Risk points', textOf(facts?.['risk_points'])),
    row('Arguments', code(argumentsHash)),
    row('Target', code(targetHash)),
  ]}</dl>`;
};

const contentPart = ({ content }: ReceiptDocument): HtmlValue => {
  if (content === undefined) return undefined;
  if (content.erased === true) return html`<h2>Content</h2><p>Erased. The hashes and proofs above still hold.</p>`;
  return html`<h2>Content</h2><dl>${[row('Arguments', code(content.arguments)), row('Target', content.target)]}</dl>${content.cards.map(({ view_hash: viewHash, card }) => html`<h2>What approvers saw</h2><p><code>${viewHash}</code></p><pre>${card}</pre>`)}`;
};

const proofPart = ({ tree_head: head, tenant, action_id: actionId }: ReceiptDocument): HtmlValue => {
  if (head === undefined) return html`<h2>Proof</h2><p>No tree head covers these events yet.</p>`;
  const [, ...witnesses] = notePartsOf(head.note)?.signatures ?? [];
  return html`<h2>Proof</h2><dl>${[
    row('Log', head.log),
    row('Tree head', `${head.size} leaves, ${head.published_at}`),
    row('Root', code(head.root)),
    row('Witnesses', witnesses.length === 0 ? 'none has cosigned this tree head' : witnesses.map(({ name }) => name).join(', ')),
  ]}</dl><p>This page is a rendering. The document behind it (the same address, as JSON) verifies offline: <code>audit-verify receipt ${actionId}.json --trusted-keys keys.json</code>. It proves what is in the log of ${tenant} about this action; that nothing was left out is shown by an export of the whole log.</p>`;
};

/** The receipt for people: one self-contained page, made to be printed. Pure. */
export const receiptPage = (document: ReceiptDocument): string =>
  `<!doctype html>\n${
    html`<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Receipt ${document.action_id} · Exequatur</title><style>${new Markup(STYLE)}</style></head><body>
<h1>Receipt <span class="outcome">${document.outcome}</span></h1>
<p class="sub">Action <code>${document.action_id}</code> of tenant ${document.tenant}${document.ended ? undefined : ' · still under way'}</p>
${proposalPart(document)}
<h2>What happened</h2>
<table><thead><tr><th>When</th><th>Event</th><th>Says</th><th>Leaf</th><th>SHA-256</th></tr></thead><tbody>${document.steps.map(stepRow)}</tbody></table>
${contentPart(document)}
${proofPart(document)}
</body></html>`.text
  }\n`;
