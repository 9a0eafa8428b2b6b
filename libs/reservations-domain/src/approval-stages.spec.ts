import { expect, test } from '@jest/globals';
import { approversSatisfy } from './approval-stages.js';

const ada = { person: 'ada', role: 'finance' };
const adaLead = { person: 'ada', role: 'finance-lead' };
const ben = { person: 'ben', role: 'finance' };
const dual = [{ roles: ['finance'], quorum: 1 }, { roles: ['finance-lead'], quorum: 1 }];

test('two people, one a stage', () => expect(approversSatisfy([adaLead, ben], dual, true)).toBe(true));
test('invariant 11: one person with both roles is one person', () => expect(approversSatisfy([ada, adaLead], dual, true)).toBe(false));
test('without distinct one person may count in both stages', () => expect(approversSatisfy([ada, adaLead], dual, false)).toBe(true));
test('a quorum of two is two people, also without distinct', () => {
  expect(approversSatisfy([ada, ada], [{ roles: ['finance'], quorum: 2 }], false)).toBe(false);
  expect(approversSatisfy([ada, ben], [{ roles: ['finance'], quorum: 2 }], true)).toBe(true);
});
test('the only lead is kept for the seat that wants a lead, in any order', () => {
  const anyone = { roles: ['finance', 'finance-lead'], quorum: 1 };
  expect(approversSatisfy([adaLead, ben], [anyone, { roles: ['finance-lead'], quorum: 1 }], true)).toBe(true);
  expect(approversSatisfy([ben, adaLead], [anyone, { roles: ['finance-lead'], quorum: 1 }], true)).toBe(true);
});
test('an allowance has no approvers, and no stages satisfy nobody', () => {
  expect(approversSatisfy([], dual, true)).toBe(false);
  expect(approversSatisfy([ada], [], true)).toBe(false);
});
