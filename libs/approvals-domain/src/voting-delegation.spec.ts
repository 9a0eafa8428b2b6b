import { describe, test } from '@jest/globals';
import { specFor } from '@exequatur/testing';
import { decideDelegation, evolveDelegation, noDelegation } from './voting-delegation.js';
import type { VotingDelegationCommand } from './voting-delegation.js';

const delegation = specFor({ decide: decideDelegation, evolve: evolveDelegation, initialState: noDelegation });
const NOW = Date.parse('2026-03-01T10:00:00.000Z');
const iso = (ms: number): string => new Date(NOW + ms).toISOString();
const DAY = 86_400_000;
const loan = { delegation_id: '01890000-0000-7000-8000-0000000000aa', from: 'fiona', to: 'hugo', role: 'finance', starts_at: iso(0), ends_at: iso(7 * DAY) };
const lend = (more: Partial<typeof loan> = {}, ownRoles: readonly string[] = ['approver', 'finance']): VotingDelegationCommand => ({ type: 'Lend', metadata: { now: NOW }, data: { loan: { ...loan, ...more }, ownRoles } });
const end = (person: string): VotingDelegationCommand => ({ type: 'End', metadata: { now: NOW }, data: { person } });
const lent = { type: 'VotingDelegated', data: loan } as const;
const ended = { type: 'VotingDelegationEnded', data: { delegation_id: loan.delegation_id, person: 'fiona' } } as const;

describe('lending a role', () => {
  test('until a day', () => delegation.given().when(lend()).then(lent));
  test('the same submission again adds nothing', () => delegation.given(lent).when(lend()).thenNothing());
  test('invariant 11: only what one holds oneself, so a loan is not lent on', () => delegation.given().when(lend({}, ['approver'])).thenRefused('NOT_ELIGIBLE'));
  test.each(['admin', 'auditor', 'break-glass'])('not %s', (role) => delegation.given().when(lend({ role }, [role])).thenRefused('NOT_ELIGIBLE'));
  test('not to oneself, not into the past, not for longer than 90 days', () => {
    delegation.given().when(lend({ to: 'fiona' })).thenRefused('CONFLICT');
    delegation.given().when(lend({ ends_at: iso(0) })).thenRefused('CONFLICT');
    delegation.given().when(lend({ ends_at: iso(91 * DAY) })).thenRefused('CONFLICT');
  });
});

describe('ending the loan', () => {
  test('by either of the two', () => {
    delegation.given(lent).when(end('fiona')).then(ended);
    delegation.given(lent).when(end('hugo')).then({ ...ended, data: { ...ended.data, person: 'hugo' } });
  });
  test('the same submission again adds nothing', () => delegation.given(lent, ended).when(end('fiona')).thenNothing());
  test('not by others', () => delegation.given(lent).when(end('georg')).thenRefused('NOT_FOUND'));
});
