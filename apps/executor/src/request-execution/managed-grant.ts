import { GRANT_JWS_TYPE, grantShape } from '@exequatur/contracts';
import type { ActionAllowed, ApprovalGranted, DataOf, Grant, SealedContent } from '@exequatur/contracts';
import { DeterministicFailure } from '@exequatur/messaging';
import type { Delivery } from '@exequatur/messaging';
import { Problem, shaped, TokenRefused } from '@exequatur/service-kit';
import type { Signer } from '@exequatur/service-kit';

/** A grant whose signature was verified, with where its arguments lie sealed. */
export interface ManagedGrant {
  readonly claims: Grant;
  readonly jws: string;
  readonly content: SealedContent;
  readonly contentEventId: string;
}

export type GrantingEvent = DataOf<typeof ActionAllowed> | DataOf<typeof ApprovalGranted>;

/**
 * The grant of an event, when the executor is to carry it out; undefined for one the agent executes itself.
 * @throws DeterministicFailure when the grant is not signed by its owner or says something else than the event around it
 */
export const managedGrantOf = async ({ event }: Delivery<GrantingEvent>, signedBy: 'policy' | 'approvals', signer: Signer): Promise<ManagedGrant | undefined> => {
  const jws = event.data.grant;
  const claims = await claimsOf(jws, signedBy, signer);
  const source = signedBy === 'policy' ? 'allowance' : 'approval';
  if (claims.tenant !== event.tenant || claims.grant_id !== event.data.grant_id || claims.action_id !== event.data.action_id || claims.source !== source) {
    throw new DeterministicFailure('GRANT_CONTRADICTS_EVENT', 'tenant, grant_id, action_id or source of the signed grant is another than the event says');
  }
  if (claims.execution_mode !== 'managed') return undefined;
  if (event.sealed === undefined) throw new DeterministicFailure('ARGUMENTS_MISSING', 'a managed grant without sealed arguments cannot be executed');
  return { claims, jws, content: event.sealed, contentEventId: event.id };
};

/** The time is not judged here: reservations judges it, by its database's clock. */
const claimsOf = async (jws: string, signedBy: 'policy' | 'approvals', signer: Signer): Promise<Grant> => {
  try {
    return shaped(grantShape, await signer.verifyJws(jws, { service: signedBy, typ: GRANT_JWS_TYPE, judgeTime: false }));
  } catch (error) {
    if (error instanceof TokenRefused) throw new DeterministicFailure('GRANT_NOT_GENUINE', error.message);
    if (error instanceof Problem) throw new DeterministicFailure('GRANT_MALFORMED', 'the claims have not the shape of a grant');
    throw error;
  }
};
