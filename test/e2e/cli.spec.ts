import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { run } from '@exequatur/cli';
import { askingAt, until } from './asking.js';
import type { Ask } from './asking.js';
import { start, startStandalone, temporaryDirectory } from './programs.js';
import type { RunningStandalone } from './programs.js';

const SLOW = 300_000;

interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

describe('exequatur against a running instance', () => {
  const directory = temporaryDirectory();
  let standalone: RunningStandalone;
  let ask: Ask;
  let admin: string;
  let scope: string;
  beforeAll(async () => {
    standalone = await startStandalone(directory.path);
    ask = askingAt(standalone.origin);
    scope = standalone.credentials.scope_path;
    admin = String((await ask(standalone.adminToken, 'POST /v1/people', { tenant: 'acme', person: 'petra', subject: 'local#petra', roles: ['policy-admin'], issue_token: true })).body['token']);
  }, SLOW);
  afterAll(async () => {
    await standalone.interrupt();
    directory.remove();
  }, SLOW);

  const as = (token: string) => async (...args: string[]): Promise<Ran> => {
    let [out, err] = ['', ''];
    const exit = await run(args, { out: (text) => (out += text), err: (text) => (err += text), env: { EXEQUATUR_URL: standalone.origin, EXEQUATUR_TOKEN: token } });
    return { exit, out, err };
  };
  const agent = (...args: string[]): Promise<Ran> => as(standalone.credentials.agent)(...args);
  const parsed = ({ out }: Ran): Record<string, unknown> => JSON.parse(out) as Record<string, unknown>;
  const file = (name: string, content: string): string => {
    const path = join(directory.path, name);
    writeFileSync(path, content);
    return path;
  };
  const mail = (run_id: string): string => file(`${run_id}.yaml`, `scope_path: ${scope}\nrun_id: ${run_id}\naction_kind: message.email.send\ntool: { name: mailer.send, version: "1.0" }\narguments: { to: customer@example.com, subject: Hello, text: Hello }\nenvironment: prod\nexecution_mode: self\n`);
  const research = (): string => file('research.json', JSON.stringify({ scope_path: scope, run_id: 'cli-research', action_kind: 'research.search', tool: { name: 'search.web', version: '1.0' }, arguments: { query: 'Hamburg' }, execution_mode: 'self' }));

  test('propose and show: allowed is 0, denied and quarantined are 1', async () => {
    const allowed = await agent('actions', 'propose', research(), '--key', 'cli-1', '--json');
    expect([allowed.exit, parsed(allowed)]).toMatchObject([0, { status: 'allowed', verdict: 'ALLOW' }]);
    expect(await agent('actions', 'propose', research(), '--key', 'cli-1', '--json')).toEqual(allowed);
    const shown = await agent('actions', 'show', String(parsed(allowed)['action_id']));
    expect(shown).toMatchObject({ exit: 0, out: expect.stringContaining('ALLOW by class:read_only') });
    const unknown = await agent('actions', 'propose', file('unknown.yaml', `scope_path: ${scope}\nrun_id: cli-unknown\naction_kind: crm.teleport\ntool: { name: crm, version: "1" }\narguments: {}\nexecution_mode: self\n`));
    expect(unknown).toMatchObject({ exit: 1, out: expect.stringContaining('quarantined QUARANTINED_UNKNOWN_KIND') });
    expect(await agent('actions', 'propose', file('typo.yaml', 'run_id: x\nrun_id: y\n'))).toMatchObject({ exit: 1, err: expect.stringContaining('typo.yaml:2:') });
    expect(await agent('actions', 'propose', file('none.yaml', 'run_id: x\n'))).toMatchObject({ exit: 3, err: expect.stringContaining('INVALID') });
  }, SLOW);

  test('wait: 4 while nobody has decided, 1 once somebody refused, 0 once somebody approved; watch tells each change', async () => {
    const decided = async (run: string, decision: 'approve' | 'reject'): Promise<string> => {
      const proposed = parsed(await agent('actions', 'propose', mail(run), '--json'));
      const [id, path] = [String(proposed['action_id']), `/v1/approvals/${String(proposed['approval_id'])}` as const];
      expect(await agent('actions', 'wait', id, '--timeout', '0')).toMatchObject({ exit: 4, out: expect.stringContaining('awaiting_approval') });
      const card = await until(() => ask(standalone.credentials.approver, `GET ${path}`), ({ status }) => status === 200, 'the card');
      const waiting = agent('actions', 'wait', id, '--timeout', '240');
      const body = { view_hash: card.body['view_hash'], ...(decision === 'reject' ? { reason_code: 'wrong_target', reason: 'Not this one', instruction: 'abort' } : {}) };
      expect((await ask(standalone.credentials.approver, `POST ${path}/${decision}`, body, { 'if-match': card.headers.get('etag') ?? '' })).status).toBe(200);
      expect((await waiting).exit).toBe(decision === 'approve' ? 0 : 1);
      return id;
    };
    const watching = start('apps/cli/dist/main.js', ['actions', 'watch', '--run', 'cli-approved'], { EXEQUATUR_URL: standalone.origin, EXEQUATUR_TOKEN: standalone.credentials.agent });
    const id = await decided('cli-approved', 'approve');
    await decided('cli-rejected', 'reject');
    await until(() => Promise.resolve(watching.output.stdout), (told) => told.trimEnd().endsWith('granted'), 'a line for the approval');
    watching.child.kill();
    await watching.ended;
    expect(parsed(await agent('actions', 'watch', '--run', 'cli-approved', '--for', '0', '--json'))).toMatchObject({ action_id: id, status: 'granted' });
  }, SLOW);

  test('kinds: those the policy knows; one more after classify', async () => {
    const person = as(admin);
    expect((await person('kinds')).out).toContain('message.email.send external_communication\n');
    expect((await person('kinds', '--class', 'prohibited')).out).toBe('credentials.export prohibited\ncustomer.delete prohibited\n');
    expect(await person('kinds', 'classify', 'invoice.void', 'financial')).toMatchObject({ exit: 0, out: expect.stringContaining('invoice.void is financial') });
    expect(JSON.parse((await person('kinds', '--class', 'financial', '--json')).out)).toContainEqual({ action_kind: 'invoice.void', action_class: 'financial' });
    expect(await agent('kinds', 'classify', 'a.b', 'financial')).toMatchObject({ exit: 3, err: expect.stringContaining('FORBIDDEN') });
  }, SLOW);

  test('the program itself ends with the code', async () => {
    const { code, stdout } = await start('apps/cli/dist/main.js', ['actions', 'propose', research(), '--json'], { EXEQUATUR_URL: standalone.origin, EXEQUATUR_TOKEN: standalone.credentials.agent }).ended;
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { status: 'allowed' }]);
    expect((await start('apps/cli/dist/main.js', ['actions', 'show', 'x'], { EXEQUATUR_URL: 'http://127.0.0.1:1', EXEQUATUR_TOKEN: 'x' }).ended).code).toBe(3);
  }, SLOW);
});
