import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { policyFile } from '@exequatur/policy-domain';
import { policyLanguages, readPolicyText } from '@exequatur/policy-languages';
import { Ajv2020 } from 'ajv/dist/2020.js';

const root = resolve(import.meta.dirname, '../../../..');
const schema = JSON.parse(readFileSync(join(root, 'docs/reference/policy.schema.json'), 'utf8')) as { readonly $defs: Readonly<Record<string, { readonly properties?: object }>>; readonly properties: object };
const validate = new Ajv2020({ strict: false }).compile(schema);
const valueOf = (source: string): unknown => {
  const text = readPolicyText(source);
  if (!text.ok) throw new Error('the text cannot be read');
  return text.value;
};
const accepts = (source: string): readonly [editor: boolean, server: boolean] => [validate(valueOf(source)), policyFile(source, readPolicyText, policyLanguages).ok];

describe('the JSON Schema for editors', () => {
  test.each(readdirSync(join(root, 'packs')))('takes the pack %s', (name) => {
    expect(accepts(readFileSync(join(root, 'packs', name, 'policy.yaml'), 'utf8'))).toEqual([true, true]);
  });

  test.each([
    ['a typo', 'version: 1\nclases: {}\n'],
    ['a typo in a rule', 'version: 1\nrules:\n  - { id: a, match: { knid: x }, decision: deny }\n'],
    ['no decision', 'version: 1\nrules:\n  - { id: a, match: {} }\n'],
    ['another end in silence', 'version: 1\nrules:\n  - { id: a, match: {}, decision: require_approval, approval: { roles: x, on_timeout: allow } }\n'],
    ['a duration without unit', 'version: 1\nclasses: { a: { kinds: [k.l], default: allow, retention: 10 } }\n'],
    ['an extractor nobody knows', 'version: 1\ntools: { t: { kind: k, extract: { amout.USD: /a } } }\n'],
    ['a limit nobody knows', 'version: 1\nclasses: { a: { kinds: [k.l], default: deny } }\nlimits: { run: { max_step: 1 } }\n'],
  ])('refuses %s, as the server does', (_, source) => {
    expect(accepts(source)).toEqual([false, false]);
  });

  // The server tells which keys it knows: asked with one it does not, in each place.
  test.each([
    ['class', 'classes: { a: { default: deny, zzzz: 1 } }', '/classes/a/zzzz'],
    ['tool', 'tools: { t: { kind: k, zzzz: 1 } }', '/tools/t/zzzz'],
    ['rule', 'rules: [{ id: a, match: {}, decision: deny, zzzz: 1 }]', '/rules/0/zzzz'],
    ['match', 'rules: [{ id: a, match: { zzzz: 1 }, decision: deny }]', '/rules/0/match/zzzz'],
    ['caps', 'rules: [{ id: a, match: {}, decision: allow_with_caps, caps: { zzzz: 1 } }]', '/rules/0/caps/zzzz'],
    ['approval', 'rules: [{ id: a, match: {}, decision: require_approval, approval: { roles: x, zzzz: 1 } }]', '/rules/0/approval/zzzz'],
    ['requires', 'rules: [{ id: a, match: {}, decision: allow, requires: { zzzz: 1 } }]', '/rules/0/requires/zzzz'],
    ['limits', 'limits: { zzzz: 1 }', '/limits/zzzz'],
  ])('knows the same keys of %s as the server', (part, text, path) => {
    const file = policyFile(`version: 1\n${text}\n`, readPolicyText, policyLanguages);
    const message = file.ok ? '' : (file.findings.find((finding) => finding.path === path)?.message ?? '');
    const known = message.slice(message.indexOf('known are ') + 'known are '.length).split(', ');
    expect(known.sort()).toEqual(Object.keys(schema.$defs[part]?.properties ?? {}).sort());
  });
});
