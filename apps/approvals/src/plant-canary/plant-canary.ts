import { Inject, Injectable } from '@nestjs/common';
import { readAmountArgument, unitOfExtractor, type RequestFacts } from '@exequatur/approvals-domain';
import type { SealedProposal } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { canonicalText, formatAmount, newSalt, parseStrict, readPointer, saltedHash, toInstant } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE, problem, type PersonPrincipal } from '@exequatur/service-kit';
import { ApprovalStreams } from '../approval-stream/approval-streams.js';
import { OpenRequest } from '../open-request/open-request.js';

export interface Canary {
  readonly approvalId: string;
  readonly actionId: string;
  /** a recorded request that it is to look like */
  readonly like: string;
  readonly arguments: JsonValue;
  readonly reasoning?: string;
}

/**
 * A request that nobody should approve, among the others: it looks like a recorded one of the same agent, with other arguments.
 * Its first event says that it was planted, and by whom. No action stands behind it: policy never saw it, its grant is never
 * made (the decider has no way to), and reservations and the executor learn nothing of it.
 */
@Injectable()
export class PlantCanary {
  constructor(
    private readonly streams: ApprovalStreams,
    private readonly requests: OpenRequest,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  /** @throws Problem NOT_FOUND, CONFLICT when the recorded action was erased */
  async plant(tx: PgTransaction, person: PersonPrincipal, canary: Canary): Promise<RequestFacts> {
    const model = (await this.streams.load(tx, person.tenant, canary.like)) ?? problem('NOT_FOUND', 'no such request to look like');
    const content = (await this.streams.content(model, tx)) ?? problem('CONFLICT', 'that action was erased');
    const now = await this.streams.databaseNow(tx);
    const salt = newSalt();
    const text = canonicalText(canary.arguments);
    const { target } = content.proposal;
    const reasoning = canary.reasoning ?? content.proposal.reasoning;
    const proposal: SealedProposal = { ...content.proposal, salt: salt.toString('base64url'), arguments: text, ...(reasoning === undefined ? {} : { reasoning }) };
    const request = requestLike(model.state.request, canary, {
      arguments_hash: saltedHash(salt, Buffer.from(text, 'utf8')),
      ...(target === undefined ? {} : { target_hash: saltedHash(salt, Buffer.from(target, 'utf8')) }),
      expires_at: toInstant(now + model.state.request.demand.ttl_ms),
    });
    await this.keys.createActionKeys(person.tenant, [canary.actionId], tx);
    await this.requests.place(tx, request, proposal, { actor: { type: 'person', id: person.id }, now }, { planted_by: person.id, like: canary.like });
    return request;
  }
}

const requestLike = ({ follows: _follows, edited_by: _editor, ...model }: RequestFacts, canary: Canary, own: Pick<RequestFacts, 'arguments_hash' | 'expires_at'> & Partial<Pick<RequestFacts, 'target_hash'>>): RequestFacts => {
  const { target_hash: _hash, ...rest } = model;
  return { ...rest, ...own, action_id: canary.actionId, approval_id: canary.approvalId, facts: { ...model.facts, amounts: amountsIn(model, parseStrict(canonicalText(canary.arguments))) } };
};

/** Amounts as its own arguments say, where a place for them is declared: the title must not give it away. */
const amountsIn = ({ facts, narrowable }: RequestFacts, args: JsonValue): RequestFacts['facts']['amounts'] =>
  facts.amounts.map((each) => {
    const place = Object.entries(narrowable.amounts ?? {}).find(([currency]) => unitOfExtractor(currency) === each.unit);
    const read = place === undefined ? undefined : readAmountArgument(readPointer(args, place[1]), place[0]);
    return read === undefined ? each : { unit: each.unit, amount: formatAmount(read.amount) };
  });
