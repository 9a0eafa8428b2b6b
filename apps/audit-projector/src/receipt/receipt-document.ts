import type { ReceiptContent, ReceiptDocument } from '@exequatur/contracts';
import type { TrustedKeys } from '@exequatur/audit-chain';
import type { InclusionDocument, PublishedHead } from '../log-proofs/log-reader.js';
import type { TimelineRow } from '../timeline-view/project.js';
import { foldReceipt } from './fold-receipt.js';
import type { ReceiptStep } from './fold-receipt.js';
import type { ProvenBytes } from './receipt-rows.js';

type StepDocument = ReceiptDocument['steps'][number];

const stepDocument = ({ step, row, data }: ReceiptStep, { bytes, path, signature, keyId }: ProvenBytes, inclusion: InclusionDocument | undefined): StepDocument => ({
  step,
  event_id: row.event_id,
  type: row.type,
  time: row.time,
  actor: { type: row.actor_type, id: row.actor_id },
  event_hash: row.event_hash,
  sequence: row.sequence,
  bytes_b64: bytes.toString('base64'),
  ...(path === null ? {} : { path }),
  ...(signature === null ? {} : { signature }),
  ...(keyId === null ? {} : { key_id: keyId }),
  ...(inclusion === undefined ? { pending: true as const } : { proof: inclusion }),
  data,
});

export interface ReceiptParts {
  readonly tenant: string;
  readonly actionId: string;
  readonly rows: readonly TimelineRow[];
  readonly bytes: ReadonlyMap<number, ProvenBytes>;
  readonly proofs: ReadonlyMap<number, InclusionDocument>;
  readonly head: PublishedHead | undefined;
  readonly keys: TrustedKeys;
  readonly logKid: string;
  readonly content: ReceiptContent | undefined;
}

/** Pure. @throws Error when a leaf of the timeline is not in the log, or the log's key is not among the trusted ones: both are bugs */
export const receiptDocument = ({ tenant, actionId, rows, bytes, proofs, head, keys, logKid, content }: ReceiptParts): ReceiptDocument => {
  const { outcome, ended, agent, chain, steps } = foldReceipt(rows);
  const logKey = keys['audit']?.find(({ kid }) => kid === logKid);
  if (logKey === undefined) throw new Error('the key of the log is not among the trusted keys');
  return {
    format: 'exequatur-receipt/1',
    tenant,
    action_id: actionId,
    ...(agent === null ? {} : { agent }),
    outcome,
    ended,
    chain,
    steps: steps.map((each) => {
      const proven = bytes.get(each.row.sequence);
      if (proven === undefined) throw new Error(`leaf ${each.row.sequence} of ${tenant} is missing`);
      return stepDocument(each, proven, proofs.get(each.row.sequence));
    }),
    ...(head === undefined ? {} : { tree_head: head }),
    keys,
    log_key: logKey,
    ...(content === undefined ? {} : { content }),
  };
};
