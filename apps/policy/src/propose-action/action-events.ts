import { ActionAllowed, ActionCapped, ActionDenied, ActionProposed, ActionQuarantined, ActionWithdrawn, ApprovalRequired, GRANT_JWS_TYPE, ReviewDrawn } from '@exequatur/contracts';
import type { EventDefinition, StreamId } from '@exequatur/contracts';
import type { NewEvent, StreamWrite } from '@exequatur/event-store';
import { newId } from '@exequatur/kernel';
import { grantClaims } from '@exequatur/policy-domain';
import type { OwnActionEvent } from '@exequatur/policy-domain';
import { seal } from '@exequatur/sealing';
import { actorOf } from '@exequatur/service-kit';
import type { Signer } from '@exequatur/service-kit';
import type { DecidedProposal } from './decide-proposal.js';

export const actionStream = (tenant: string, actionId: string): StreamId => ({ tenant, aggregate: 'action', id: actionId });

export const DEFINITION_OF: Readonly<Record<OwnActionEvent['type'], EventDefinition>> = { ActionProposed, ActionAllowed, ActionCapped, ApprovalRequired, ActionQuarantined, ActionDenied, ActionWithdrawn, ReviewDrawn };

/** The decided events as they are appended: allowances signed, personal content sealed under the action's key. */
export const proposalWrite = (decided: DecidedProposal, key: Buffer, signer: Signer): StreamWrite => {
  const { command, ids, events } = decided;
  const { agent, idempotencyKey, traceparent, anew } = command;
  const recorded = events.map((event): NewEvent => {
    const definition = DEFINITION_OF[event.type];
    const id = newId(ids.nowMs);
    return {
      definition,
      id,
      data: signedData(decided, event, signer),
      actor: anew?.actor ?? actorOf(agent),
      correlationId: ids.actionId,
      causationId: anew?.follows ?? idempotencyKey,
      ...(traceparent === undefined ? {} : { traceparent }),
      ...(definition.sealed === undefined ? {} : { sealed: seal(key, ids.actionId, id, decided.sealed) }),
    };
  });
  return { stream: actionStream(agent.tenant, ids.actionId), expectedVersion: 0, events: recorded };
};

const signedData = ({ asked }: DecidedProposal, event: OwnActionEvent, signer: Signer): unknown => {
  if (event.type !== 'ActionAllowed' && event.type !== 'ActionCapped') return event.data;
  return { ...event.data, grant: signer.signJws(grantClaims(asked, event.data.expires_at), GRANT_JWS_TYPE) };
};
