import { GRANT_JWS_TYPE, grantShape } from '@exequatur/contracts';
import type { Grant, ServiceName } from '@exequatur/contracts';
import type { Signer} from '@exequatur/service-kit';
import { Problem, shaped, TokenRefused } from '@exequatur/service-kit';

/** Who may sign a grant of which source. */
const ISSUERS: readonly (readonly [ServiceName, Grant['source']])[] = [
  ['policy', 'allowance'],
  ['approvals', 'approval'],
];

/**
 * Claims of a signed grant: an allowance signed by policy or an approval signed by approvals, and never the other way round.
 * Undefined for anything else. Its times are not judged here: authority is judged by the database's clock.
 */
export const verifyGrant = async (signer: Signer, token: string): Promise<Grant | undefined> => {
  for (const [service, source] of ISSUERS) {
    try {
      const claims = shaped(grantShape, await signer.verifyJws(token, { service, typ: GRANT_JWS_TYPE, judgeTime: false }));
      return claims.source === source ? claims : undefined;
    } catch (error) {
      // Not this owner's signature, or not the shape of a grant; anything else is a fault of ours.
      if (!(error instanceof TokenRefused) && !(error instanceof Problem)) throw error;
    }
  }
  return undefined;
};
