import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { proposalOf, startPolicyBed } from '../spec/policy-bed.js';
import type { PolicyBed, Reply } from '../spec/policy-bed.js';

/** Each, through HTTP; judged where nothing else runs on the machine. */
const BOUND_MS = process.env['EXEQUATUR_QUIET'] === '1' ? 50 : Number.POSITIVE_INFINITY;

const guarded = `version: 1
classes: { mail: { kinds: [message.email.send], default: require_approval } }
tools:
  mailer.send:
    kind: message.email.send
    extract: { recipients: /to, fact.region: /region }
    arguments:
      type: object
      required: [to]
      properties: { to: { type: string, maxLength: 320, pattern: "^([a-z]+)+@[a-z.]+$" }, region: { type: string }, text: { type: string, maxLength: 500 } }
rules:
  - { id: quiet, match: { kind: message.email.send }, when: "fact('region') == 'eu' && !fact('region').matches('(x+x+)+y')", decision: allow }
`;
const rule = (when: string): string => `version: 1\nrules:\n  - id: a\n    match: {}\n    decision: allow\n    when: ${JSON.stringify(when)}\n`;

interface Refused {
  readonly code: string;
  readonly detail?: string;
  readonly errors?: readonly { readonly pointer: string; readonly expected: string }[];
}

describe('hostile policies and proposals at the door', () => {
  let postgres: TestPostgres;
  let bed: PolicyBed;
  let agent: string;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    bed = await startPolicyBed((await postgres.createDatabase()).url);
    ({ agent } = await bed.tenant('acme', guarded));
  });
  afterAll(async () => {
    await bed.close();
    await postgres.stop();
  });

  /** The best of two, since the first may pay for compiling. */
  const timed = async <T>(ask: () => Promise<T>): Promise<{ readonly ms: number; readonly answer: T }> => {
    let ms = Number.POSITIVE_INFINITY;
    for (let round = 0; ; round += 1) {
      const began = performance.now();
      const answer = await ask();
      ms = Math.min(ms, performance.now() - began);
      if (round === 1) return { ms, answer };
    }
  };
  const isAlive = async (): Promise<void> => expect((await fetch(`${bed.origin}/readyz`)).status).toBe(200);
  const mail = (args: unknown) => proposalOf('acme', { action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1.0' }, arguments: args as object });

  test.each<[string, string, RegExp]>([
    ['YAML that is none', 'version: 1\nclasses: { mail: [\n', /line \d+, column \d+/],
    ['a typo in a key', 'version: 1\nclases: {}\n', /^line 2, column 1 .*did you mean "classes"/],
    ['a typed error in a condition', rule("action.risk_points == 'many'"), /^line 6, column \d+ .*is not a condition: no such overload/],
    ['a field that no action has', rule('action.colour == "red"'), /^line 6, .*No such key: colour/],
    ['a condition that is no truth', rule('action.risk_points'), /must be true or false/],
    ['a pattern that backtracks', rule("action.kind.matches('(a*)*\\\\1')"), /line 6/],
    ['nested macros', rule('action.risk_tags.exists(a, action.risk_tags.exists(b, a == b))'), /must not stand inside another/],
    ['a condition nested ten thousand deep', rule(`${'('.repeat(10_000)}true${')'.repeat(10_000)}`), /line 6/],
    ['a prototype key', 'version: 1\nclasses: { __proto__: { kinds: [k.l], default: allow } }\n', /line \d+/],
    ['a kind in letters that look alike', 'version: 1\nclasses: { a: { kinds: ["pаyment.refund"], default: allow } }\n', /must be an action kind/],
    ['a null byte', 'version: 1\nclasses: { a: { kinds: ["k.l\\0"], default: allow } }\n', /line \d+/],
  ])('P3: %s is refused with its place', async (_, source, said) => {
    const { ms, answer } = await timed(() => bed.post<Refused>('/v1/policies', { tenant: 'acme', source, reason: 'hostile' }, bed.root));
    expect([answer.status, answer.body.code]).toEqual([422, 'INVALID']);
    expect((answer.body.errors ?? []).map(({ expected }) => expected).join('\n')).toMatch(said);
    expect(ms).toBeLessThan(BOUND_MS);
    await isAlive();
  });

  test('P3: an expression of a megabyte is refused at the door', async () => {
    const { ms, answer } = await timed(() => bed.post('/v1/policies', { tenant: 'acme', source: rule(`action.kind == '${'x'.repeat(1_048_576)}'`), reason: 'hostile' }, bed.root));
    expect(answer).toMatchObject({ status: 413, body: { code: 'TOO_LARGE' } });
    expect(ms).toBeLessThan(BOUND_MS);
  });

  test('invariant 27: a key that is missing at run time sets the action aside', async () => {
    expect((await bed.post('/v1/actions', mail({ to: 'ann@acme.example' }), agent)).body).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_POLICY_ERROR', rule_id: 'quiet' });
    expect((await bed.post('/v1/actions', mail({ to: 'ann@acme.example', region: 'eu' }), agent)).body).toMatchObject({ verdict: 'ALLOW', rule_id: 'quiet' });
  });

  const isSetAside = ({ status, body }: Reply): boolean => (status >= 400 && status < 500) || body['verdict'] === 'QUARANTINE' || body['verdict'] === 'DENY';

  test.each<[string, () => unknown]>([
    ['a text that makes patterns backtrack', () => mail({ to: `${'a'.repeat(300)}!`, region: 'eu' })],
    ['arguments 5,000 deep', () => `${JSON.stringify(mail('here')).replace('"here"', `${'['.repeat(5_000)}${']'.repeat(5_000)}`)}`],
    ['a prototype key', () => JSON.stringify(mail('here')).replace('"here"', '{"__proto__":{"to":"ann@acme.example","region":"eu"}}')],
    ['an inherited name as kind', () => ({ ...mail({}), action_kind: 'constructor' })],
    ['an inherited name as tool', () => ({ ...mail({ to: 'ann@acme.example', region: 'eu' }), action_kind: 'hasOwnProperty', tool: { name: 'toString', version: '1' } })],
    ['a kind in letters that look alike', () => ({ ...mail({ to: 'ann@acme.example', region: 'eu' }), action_kind: 'message.emаil.send' })],
    ['a kind with a null byte', () => ({ ...mail({ to: 'ann@acme.example', region: 'eu' }), action_kind: 'message.email.send\u0000' })],
  ])('invariant 27: %s is refused or set aside', async (_, proposal) => {
    const { ms, answer } = await timed(() => bed.post('/v1/actions', proposal(), agent));
    expect([answer.text, isSetAside(answer)]).toEqual([answer.text, true]);
    expect(ms).toBeLessThan(BOUND_MS);
    await isAlive();
  });

  const corpus = join(resolve(process.env['EXEQUATUR_VECTORS'] ?? '../shared/vectors'), 'agent-governance-toolkit', 'benchmarks', 'prompt-injection', 'corpus', 'injection-smoke.jsonl');
  const required = process.env['EXEQUATUR_REQUIRE_VECTORS'] === '1';
  test(existsSync(corpus) || required ? 'the published injection corpus, as kinds, tools and arguments, is refused or set aside; as text of an allowed action it is text' : 'left out: the injection corpus through HTTP (needs EXEQUATUR_VECTORS)', async () => {
    if (!existsSync(corpus) && !required) return;
    const texts = readFileSync(corpus, 'utf8').split('\n').filter((line) => line !== '').map((line) => (JSON.parse(line) as { text: string }).text);
    expect(texts.length).toBeGreaterThan(200);
    const sound = { to: 'ann@acme.example', region: 'eu' };
    const times: number[] = [];
    for (const [at, text] of texts.entries()) {
      const forms = [{ ...mail(sound), action_kind: text }, { ...mail(sound), tool: { name: text, version: text } }, mail({ ...sound, to: text }), mail({ ...sound, region: text })];
      const began = performance.now();
      const answer = await bed.post('/v1/actions', forms[at % forms.length], agent);
      times.push(performance.now() - began);
      // An unknown region is no allowance, but no fault either: a person is asked.
      expect([text, answer.text, isSetAside(answer) || answer.body['verdict'] === 'REQUIRE_APPROVAL']).toEqual([text, answer.text, true]);
    }
    const asText = await Promise.all(texts.map((text) => bed.post('/v1/actions', { ...mail({ ...sound, text: text.slice(0, 500) }), reasoning: text }, agent)));
    expect(asText.filter(({ body }) => body['verdict'] !== 'ALLOW' || body['rule_id'] !== 'quiet')).toEqual([]);
    expect(times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)]).toBeLessThan(BOUND_MS);
    await isAlive();
  });
});
