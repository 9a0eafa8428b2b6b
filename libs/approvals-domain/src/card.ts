import type { ApprovalStage, Tool } from '@exequatur/contracts';
import type { Suspicion } from './suspicious-text.js';
import type { Oddity } from './visible-text.js';

/** Versions of the pure function that makes a card. A changed function gets a new version and leaves the earlier ones alone. */
export const RENDERERS = ['card/1', 'card/2'] as const;
export type Renderer = (typeof RENDERERS)[number];
export const RENDERER = 'card/2' satisfies Renderer;

/** One leaf of the arguments: where it stands (RFC 6901), what it is, its text with nothing hidden. */
export interface ParameterRow {
  readonly pointer: string;
  readonly type: 'text' | 'number' | 'true or false' | 'null' | 'empty object' | 'empty list';
  readonly value: string;
}

/**
 * What an approver sees, free of layout. Every string that an agent wrote has passed `visibleText`; `warnings` says where
 * something unusual was found. Its canonical bytes, salted, are the view_hash.
 */
export interface Card {
  readonly renderer: Renderer;
  readonly approval_id: string;
  readonly action_id: string;
  readonly title: string;
  readonly agent: { readonly id: string; readonly owner: string; readonly run_id: string; readonly thread_id: string; readonly scope_path: string };
  readonly action: {
    readonly kind: string;
    readonly class: string;
    readonly tool: Tool;
    readonly execution_mode: 'managed' | 'self';
    readonly environment: string;
    readonly target: string;
    readonly risk_tags: readonly string[];
    readonly risk_points: number;
    /** fraction as decimal text, '' when the agent gave none */
    readonly confidence: string;
  };
  readonly amounts: readonly { readonly unit: string; readonly amount: string; readonly shown: string }[];
  readonly parameters: readonly ParameterRow[];
  readonly parameters_not_shown: number;
  /** what policy's own caps change before anybody votes */
  readonly narrowed_by_policy: readonly { readonly pointer: string; readonly value: string }[];
  readonly limits: readonly { readonly limit: string; readonly value: string }[];
  /** reasoning, in the agent's words */
  readonly agent_words: string;
  readonly business_impact: string;
  readonly evidence: readonly { readonly title: string; readonly url: string }[];
  readonly evidence_not_shown: number;
  readonly reversal: { readonly possible: boolean; readonly words: string };
  readonly why_approval: { readonly rule_id: string; readonly reason: string };
  readonly who_decides: { readonly stages: readonly ApprovalStage[]; readonly distinct: boolean };
  readonly if_approved: string;
  readonly if_rejected: string;
  readonly if_nobody_answers: string;
  readonly next_effect: string;
  readonly window: { readonly decide_by: string; readonly grant_valid_ms: number; readonly uses: number };
  readonly policy: { readonly version: number; readonly hash: string };
  readonly arguments_hash: string;
  readonly warnings: readonly { readonly where: string; readonly found: Oddity | Suspicion }[];
  /** absent in cards of card/1 */
  readonly more?: CardExtras;
}

/** What card/2 adds: where the request stands among others, and what was said about it. */
export interface CardExtras {
  /** addresses it goes to, where the tool declares them */
  readonly recipients: readonly string[];
  readonly recipients_not_shown: number;
  /** the last approved action like this one */
  readonly similar: {
    readonly approval_id: string;
    readonly decided_at: string;
    readonly decided_by: string;
    readonly amounts: string;
    readonly changed: readonly string[];
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly unchanged: number;
  } | null;
  readonly earlier_rejections: readonly { readonly approval_id: string; readonly at: string; readonly person: string; readonly reason_code: string; readonly instruction: string }[];
  /** questions of people and answers of the agent side, both in their own words */
  readonly exchanges: readonly { readonly asked_by: string; readonly question: string; readonly answered_by: string; readonly answer: string }[];
  readonly annotations: readonly { readonly by: string; readonly by_type: 'person' | 'agent'; readonly by_requester: boolean; readonly source: string; readonly score: string; readonly text: string }[];
  /** a person's changes of the arguments; the parameters above are the changed ones */
  readonly edited: { readonly by: string; readonly changes: readonly { readonly pointer: string; readonly before: string; readonly now: string }[] } | null;
  readonly on_timeout: string;
  readonly escalates_to: string;
}

/** What a queue shows of a card: from facts only, so that no sealed content is opened for a list. */
export interface DecisionSummary {
  readonly title: string;
  readonly why: string;
  readonly next_effect: string;
}
