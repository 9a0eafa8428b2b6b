import { expect, test } from '@jest/globals';
import { blastRadiusOf } from './blast-radius.js';
import type { Standing } from './blast-radius.js';
import { id, NOW } from './reserve-question.fixture.js';

const subject = { tenant: 'acme', agent: 'a', actionKind: 'k', tool: { name: 't', version: '1' }, grantId: id(1), scopePath: 'tenant:acme/app:x', runId: 'r1' };
const standing: readonly Standing[] = [
  { ...subject, what: 'grant' },
  { ...subject, what: 'grant', agent: 'b', runId: 'r2' },
  { ...subject, what: 'claim', status: 'Held', executeBy: NOW + 4_000 },
  { ...subject, what: 'claim', status: 'Started', executeBy: NOW - 1, actionKind: 'l' },
  { ...subject, what: 'claim', status: 'Unknown', executeBy: NOW - 9 },
  { ...subject, what: 'claim', status: 'Held', executeBy: NOW + 9_000, agent: 'b', scopePath: 'tenant:acme/app:y' },
];

test('the blast radius says what a freeze stops, and what it can no longer stop', () => {
  expect(blastRadiusOf({ scope: 'agent', value: 'a' }, standing, NOW)).toEqual({ openGrants: 1, liveClaims: 2, mayStillExecute: 1, unknownClaims: 1, quiescesWithinMs: 4_000, agents: ['a'], actionKinds: ['k', 'l'], runs: ['r1'] });
  expect(blastRadiusOf({ scope: 'workflow', value: 'tenant:acme/app:y' }, standing, NOW)).toMatchObject({ openGrants: 0, liveClaims: 1, quiescesWithinMs: 9_000, agents: ['b'] });
  expect(blastRadiusOf({ scope: 'run', value: 'none' }, standing, NOW)).toEqual({ openGrants: 0, liveClaims: 0, mayStillExecute: 0, unknownClaims: 0, quiescesWithinMs: 0, agents: [], actionKinds: [], runs: [] });
});
