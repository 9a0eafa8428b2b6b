import { problem, type Principal } from '@exequatur/service-kit';

/** The tenant an administrator acts in: their own; root names one. @throws Problem INVALID, FORBIDDEN */
export const actingTenant = (principal: Principal, named: string | undefined): string => {
  if (principal.type === 'root') return named ?? problem('INVALID', undefined, [{ pointer: '/tenant', expected: 'to be named' }]);
  if (principal.type !== 'person' || (named !== undefined && named !== principal.tenant)) return problem('FORBIDDEN');
  return principal.tenant;
};
