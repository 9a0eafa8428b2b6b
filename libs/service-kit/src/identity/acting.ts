import type { Actor } from '@exequatur/event-store';
import { problem } from '../problem/problem.js';
import type { Principal } from './principal.js';

/** Who stands in an event as its cause. The platform's root is no person and no agent. */
export const actorOf = (principal: Principal): Actor => {
  switch (principal.type) {
    case 'agent':
      return { type: 'agent', id: principal.id, ...(principal.chain === undefined ? {} : { chain: principal.chain }) };
    case 'person':
      return { type: 'person', id: principal.id };
    case 'service':
      return { type: 'service', id: principal.service };
    case 'root':
      return { type: 'system', id: 'root' };
  }
};

/** The tenant a call acts in: one's own, or for root the one it names. @throws Problem INVALID, FORBIDDEN */
export const actingTenant = (principal: Principal, named: string | undefined): string => {
  if ('tenant' in principal) return named === undefined || named === principal.tenant ? principal.tenant : problem('FORBIDDEN', 'another tenant');
  return named ?? problem('INVALID', undefined, [{ pointer: '/tenant', expected: 'to be present: root names the tenant it acts in' }]);
};
