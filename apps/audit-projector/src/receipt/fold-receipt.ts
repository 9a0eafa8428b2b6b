import { foldChain } from '@exequatur/contracts';
import type { ReceiptChain, ReceiptStepName } from '@exequatur/contracts';
import type { TimelineRow } from '../timeline-view/project.js';
import { isEnd, outcomeAfter } from './outcome.js';
import type { Outcome } from './outcome.js';

export interface ReceiptStep {
  readonly step: ReceiptStepName;
  readonly row: TimelineRow;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface FoldedReceipt {
  readonly outcome: Outcome;
  readonly ended: boolean;
  readonly agent: string | null;
  readonly chain: ReceiptChain;
  readonly steps: readonly ReceiptStep[];
}

/** The receipt of one action from its timeline. Pure; the order in which events were logged changes nothing. */
export const foldReceipt = (rows: readonly TimelineRow[]): FoldedReceipt => {
  const { chain, steps } = foldChain(rows.map((row) => ({ event_id: row.event_id, name: row.name, service: row.service, version: row.version, time: row.time, data: JSON.parse(row.data) as Readonly<Record<string, unknown>>, row })));
  const outcome = outcomeAfter(steps.map(({ event }) => event));
  const facts = steps.find(({ event }) => event.name === 'ActionProposed')?.event.data['facts'] as { readonly agent?: string } | undefined;
  return { outcome, ended: isEnd(outcome), agent: facts?.agent ?? null, chain, steps: steps.map(({ step, event }) => ({ step, row: event.row, data: event.data })) };
};
