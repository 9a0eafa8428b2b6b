import { expect, test } from '@jest/globals';
import { policyFile, registeredKinds } from '@exequatur/policy-domain';
import { draftRule, policyLanguages, readPolicyText } from './index.js';

const source = `# Ours.
version: 1
classes: # what a kind is
  write:
    kinds: [draft.email] # drafts
    default: allow
  one: { kinds: note.add, default: allow }
rules:
  - id: a # first
    match: { kind: draft.email }
    decision: allow
`;
const policyOf = (text: string) => {
  const file = policyFile(text, readPolicyText, policyLanguages);
  if (!file.ok) throw new Error(JSON.stringify(file.findings));
  return file.policy;
};

test('a kind joins its class, a rule is appended, comments stay', () => {
  const drafted = draftRule(source, { kind: 'crm.note', className: 'write', decision: 'require_approval' });
  expect(drafted).toContain('# Ours.');
  expect(drafted).toContain('kinds: [ draft.email, crm.note ] # drafts');
  const policy = policyOf(drafted);
  expect(policy.rules.map(({ id, decision }) => [id, decision])).toEqual([['a', 'allow'], ['draft-crm.note', 'require_approval']]);
  expect(policy.classes['write']?.kinds).toEqual(['draft.email', 'crm.note']);
});

test('a single kind becomes a list; a kind that is there is left; a new class asks for approval', () => {
  expect(policyOf(draftRule(source, { kind: 'note.tag', className: 'one' })).classes['one']?.kinds).toEqual(['note.add', 'note.tag']);
  expect(policyOf(draftRule(source, { kind: 'draft.email', className: 'write' }))).toEqual(policyOf(source));
  const policy = policyOf(draftRule(source, { kind: 'sms.send', className: 'texts' }));
  expect(policy.classes['texts']).toMatchObject({ kinds: ['sms.send'], default: 'require_approval' });
  expect(registeredKinds(policy)).toContain('sms.send');
});

test('a file without classes or rules gets them; what is no mapping is refused', () => {
  expect(policyOf(draftRule('version: 1\n', { kind: 'a.b', className: 'c', decision: 'deny' }))).toMatchObject({ classes: { c: { kinds: ['a.b'] } }, rules: [{ id: 'draft-a.b' }] });
  expect(() => draftRule('- 1\n', { kind: 'a.b', className: 'c' })).toThrow('no YAML mapping');
});
