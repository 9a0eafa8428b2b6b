import { Controller, Get } from '@nestjs/common';
import { anything, count, hash, instant, list, name, object, oneOf, optional, text, truth, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Allow, Caller, Database, Describe, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { LogReader } from '../log-proofs/log-reader.js';
import type { InclusionDocument, PublishedHead } from '../log-proofs/log-reader.js';
import { assertMaySee } from '../timeline-view/timeline.http.js';
import { readTimeline } from '../timeline-view/timeline-rows.js';
import { whoseLog } from '../whose-log.js';
import { foldReceipt } from './fold-receipt.js';
import type { ReceiptChain, ReceiptStep, Step } from './fold-receipt.js';
import type { Outcome } from './outcome.js';

const receiptQuery = object({ tenant: optional(name()) });

const proof = object({ index: count(), size: count(), leaf_hash: hash(), path: list(hash()) });
const step = object({ step: text(20), event_id: uuid(), type: text(200), time: instant(), actor: object({ type: name(), id: text(300) }), event_hash: hash(), sequence: count(), proof: optional(proof), pending: optional(truth()), data: anything() });
const receipt = object({
  format: oneOf('exequatur-receipt/1'),
  tenant: name(),
  action_id: uuid(),
  agent: optional(name()),
  outcome: text(30),
  ended: truth(),
  chain: anything(),
  steps: list(step, 10_000),
  tree_head: optional(object({ log: text(200), size: count(), root: hash(), note: text(10_000), published_at: instant() })),
});

interface ReceiptStepDocument {
  readonly step: Step;
  readonly event_id: string;
  readonly type: string;
  readonly time: string;
  readonly actor: { readonly type: string; readonly id: string };
  /** SHA-256 of the event's bytes; the leaf hash of the proof is over the same bytes */
  readonly event_hash: string;
  readonly sequence: number;
  /** under `tree_head`; while there is none yet, `pending` */
  readonly proof?: InclusionDocument;
  readonly pending?: true;
  readonly data: unknown;
}

export interface ReceiptDocument {
  readonly format: 'exequatur-receipt/1';
  readonly tenant: string;
  readonly action_id: string;
  readonly agent?: string;
  readonly outcome: Outcome;
  readonly ended: boolean;
  readonly chain: ReceiptChain;
  readonly steps: readonly ReceiptStepDocument[];
  readonly tree_head?: PublishedHead;
}

const stepDocument = ({ step: label, row, data }: ReceiptStep, inclusion: InclusionDocument | undefined): ReceiptStepDocument => ({
  step: label,
  event_id: row.event_id,
  type: row.type,
  time: row.time,
  actor: { type: row.actor_type, id: row.actor_id },
  event_hash: row.event_hash,
  sequence: row.sequence,
  ...(inclusion === undefined ? { pending: true as const } : { proof: inclusion }),
  data,
});

@Controller('v1/receipts')
export class ReceiptHttp {
  constructor(
    private readonly database: Database,
    private readonly log: LogReader,
  ) {}

  @Get(':action_id')
  @Allow('person:auditor', 'person:operator', 'agent', 'root')
  @Describe({ summary: 'One action’s whole chain, however it ended, each event with its hash and its proof under a signed tree head.', query: receiptQuery, answers: { 200: receipt } })
  async receipt(@Caller() caller: Principal, @ShapedPath('action_id', uuid()) actionId: string, @ShapedQuery(receiptQuery) query: Shape<typeof receiptQuery>): Promise<ReceiptDocument> {
    const tenant = whoseLog(caller, query.tenant);
    const rows = await readTimeline(this.database, tenant, actionId);
    assertMaySee(caller, rows);
    const { outcome, ended, agent, chain, steps } = foldReceipt(rows);
    const head = await this.log.newestHead(tenant);
    const proofs = await this.log.inclusions(tenant, rows.map(({ sequence }) => sequence), head?.size ?? 0);
    return {
      format: 'exequatur-receipt/1',
      tenant,
      action_id: actionId,
      ...(agent === null ? {} : { agent }),
      outcome,
      ended,
      chain,
      steps: steps.map((each) => stepDocument(each, proofs.get(each.row.sequence))),
      ...(head === undefined ? {} : { tree_head: head }),
    };
  }
}
