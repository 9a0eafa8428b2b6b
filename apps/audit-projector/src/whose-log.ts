import { problem } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';

/**
 * The tenant whose log is read: the caller's own, named or not; root names one. Another tenant's log does not exist for anybody
 * else (invariant 18). @throws Problem NOT_FOUND, INVALID when root names none
 */
export const whoseLog = (caller: Principal, named: string | undefined): string => {
  if (caller.type === 'root') return named ?? problem('INVALID', undefined, [{ pointer: '/tenant', expected: 'to be present' }]);
  if (caller.type === 'service') return problem('FORBIDDEN');
  return named === undefined || named === caller.tenant ? caller.tenant : problem('NOT_FOUND');
};
