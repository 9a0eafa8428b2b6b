import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { readPolicyFile } from './read-policy-file.js';

const findings = (source: string): readonly string[] => {
  const file = readPolicyFile(source);
  return file.ok ? [] : file.findings.map(({ line, column, message }) => `${line}:${column} ${message}`);
};

describe('a policy file', () => {
  test('the shipped example is one', () => {
    expect(readPolicyFile(readFileSync(new URL('../../policies/outreach.yaml', import.meta.url), 'utf8'))).toMatchObject({ ok: true });
  });

  test.each([
    ['a typo in a field', 'version: 1\nclasses:\n  a: { kinds: [x.y], defualt: allow }\n', '3:22 unknown key "defualt"; did you mean "default"?'],
    ['a typo below a list', 'version: 1\nrules:\n  - id: a\n    match: { knid: x }\n    decision: deny\n', '4:14 unknown key "knid"; did you mean "kind"?'],
    ['a missing field, told at what lacks it', 'version: 1\nrules:\n  - id: a\n    match: {}\n', '3:5 must be one of allow, allow_with_caps, require_approval, quarantine, deny'],
    ['a key that stands twice', 'version: 1\nversion: 1\n', '2:1 Map keys must be unique'],
    ['broken YAML', 'version: [1\n', '2:1 Flow sequence in block collection must be sufficiently indented and end with a ]'],
    ['an alias', 'version: 1\nclasses: { a: &x { kinds: [k.l], default: deny }, b: *x }\n', '1:1 anchors and aliases are not used in policy files'],
    ['half a character', 'version: 1\nclasses: { a: { kinds: [k.l], default: deny, reason: "\\ud800" } }\n', '2:46 must not hold control characters'],
    ['a second document, whose rules would not hold', 'version: 1\n---\nversion: 1\n', '2:1 Source contains multiple documents; please use YAML.parseAllDocuments()'],
    ['no text at all', '', '1:1 must be a mapping'],
    ['a typed error in a condition, at the character', 'version: 1\nrules:\n  - { id: a, match: {}, when: "action.kindd == 1", decision: deny }\n', '3:39 is not a condition: No such key: kindd'],
    ['one in a block of text', 'version: 1\nrules:\n  - id: a\n    match: {}\n    when: |\n      action.kind == "a" &&\n      action.kindd == "b"\n    decision: deny\n', '7:14 is not a condition: No such key: kindd'],
    ['a schema that reaches outside', 'version: 1\ntools:\n  t:\n    kind: a.b\n    arguments: { $ref: "https://evil.example/schema" }\n', '5:5 must refer only to its own $defs'],
  ])('with %s is refused with line and column', (_, source, finding) => {
    expect(findings(source)).toContain(finding);
  });

  test('every fault is told at once', () => {
    expect(findings('version: 2\nclases: {}\nrules:\n  - { id: a, match: {}, decision: permit }\n')).toHaveLength(3);
  });
});
