import { Command } from '@nestjs/cqrs';
import type { Actor } from '@exequatur/event-store';
import type { ProposalWithJson } from '@exequatur/policy-domain';
import type { AgentPrincipal, Answer } from '@exequatur/service-kit';

/** Which action it follows, and who said so. */
export interface Anew {
  readonly follows: string;
  readonly actor: Actor;
  /** the person who wrote its arguments in the agent's place */
  readonly editedBy?: string;
}

/** A proposal through either door; both share one idempotency scope and come to the same decision. */
export class ProposeAction extends Command<Answer> {
  constructor(
    readonly agent: AgentPrincipal,
    readonly proposal: ProposalWithJson,
    /** Idempotency-Key of the request, or jti of the signed message */
    readonly idempotencyKey: string,
    readonly door: 'http' | 'intake',
    readonly traceparent?: string,
    /** a person has what was set aside decided anew */
    readonly anew?: Anew,
  ) {
    super();
  }
}
