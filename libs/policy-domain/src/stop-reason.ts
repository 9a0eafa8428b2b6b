import type { Code, StopReason } from '@exequatur/contracts';
import type { Ruling } from './ruling.js';

/** Why an agent's loop stops here, and what it may do about it. Nothing when it may go on. */
export const stopOf = (verdict: Ruling['verdict'], code?: Code): { readonly stop_reason: StopReason; readonly instruction: string } | undefined => {
  switch (verdict) {
    case 'ALLOW':
    case 'ALLOW_WITH_CAPS':
      return undefined;
    case 'REQUIRE_APPROVAL':
      return { stop_reason: 'approval_required', instruction: 'Wait for the decision with links.wait, or park the run; do not propose it again.' };
    case 'QUARANTINE':
      return { stop_reason: 'quarantined', instruction: 'Do not retry; a person has to look at this kind of action first.' };
    case 'DENY':
      if (code === 'PREVIOUSLY_REJECTED') return { stop_reason: 'approval_rejected', instruction: 'Do not propose it again; a person rejected the same action.' };
      return { stop_reason: 'policy_denied', instruction: 'Do not retry; policy does not allow this action.' };
  }
};
