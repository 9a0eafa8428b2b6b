import { isOnOrBelow } from '@exequatur/reservations-domain';
import { Problem } from '@exequatur/service-kit';
import type { AgentPrincipal } from '@exequatur/service-kit';
import { LEVELS } from './cycles-shapes.js';
import type { Subject } from './cycles-shapes.js';

const names = (subject: Subject): readonly (readonly [level: string, name: string])[] =>
  LEVELS.flatMap((level) => {
    const named = subject[level];
    return named === undefined ? [] : [[level, named] as const];
  });

/**
 * The scope path of a subject in its tenant: `{workspace: 'prod', agent: 'bot'}` → `tenant:acme/workspace:prod/agent:bot`.
 * Dimensions name no place. @throws Problem INVALID when no standard field is given, FORBIDDEN for another tenant
 */
export const scopePathOf = (subject: Subject, tenant: string): string => {
  const given = names(subject);
  if (given.length === 0) throw new Problem('INVALID', 'one of tenant, workspace, app, workflow, agent, toolset is required', [{ pointer: '/subject', expected: 'a standard field' }]);
  if (subject.tenant !== undefined && subject.tenant !== tenant) throw new Problem('FORBIDDEN', 'the subject is of another tenant');
  return [`tenant:${tenant}`, ...given.filter(([level]) => level !== 'tenant').map(([level, named]) => `${level}:${named}`)].join('/');
};

/** An agent holds and spends only in its part of the scope tree. @throws Problem INVALID, FORBIDDEN */
export const ownScopePathOf = (subject: Subject, { tenant, scopePrefix }: AgentPrincipal): string => {
  const path = scopePathOf(subject, tenant);
  if (!isOnOrBelow(path, scopePrefix)) throw new Problem('FORBIDDEN', 'the subject is outside the part of the scope tree that this agent may act in');
  return path;
};
