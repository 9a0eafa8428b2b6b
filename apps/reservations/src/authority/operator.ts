import { problem } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';

/** The tenant an operator acts in: a person's own; root names one. Naming another than one's own reads as not found. */
export const operatedTenant = (principal: Principal, named: string | undefined): string => {
  if (principal.type === 'root') return named ?? problem('INVALID', 'name the tenant', [{ pointer: '/tenant', expected: 'to be present' }]);
  if (principal.type !== 'person') return problem('FORBIDDEN');
  if (named !== undefined && named !== principal.tenant) return problem('NOT_FOUND');
  return principal.tenant;
};
