import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ActionDenied, ExequaturClient, resumeGoverned, resumeRun } from '@exequatur/sdk';
import type { GovernedOptions } from '@exequatur/sdk';
import { sourceLoader } from '@exequatur/testing';
import { askingAt, until } from './asking.js';
import type { Ask } from './asking.js';
import { startStandalone, temporaryDirectory } from './programs.js';
import type { RunningStandalone } from './programs.js';

const SLOW = 300_000;

/** A11: the agent's process is killed while people decide; another one goes on from what was parked. */
describe('a parked run', () => {
  const directory = temporaryDirectory();
  let standalone: RunningStandalone;
  let ask: Ask;
  beforeAll(async () => {
    standalone = await startStandalone(directory.path);
    ask = askingAt(standalone.origin);
  }, SLOW);
  afterAll(async () => {
    await standalone.interrupt();
    directory.remove();
  }, SLOW);

  const client = (): ExequaturClient => new ExequaturClient({ baseUrl: standalone.origin, apiKey: standalone.credentials.agent });
  /** Starts an agent that proposes and parks, and kills it. @returns the action it waited for */
  const killedWhileWaiting = async (run: string): Promise<string> => {
    const child = fork(join(import.meta.dirname, 'resume-agent.ts'), [], {
      execArgv: ['--no-warnings', '--import', sourceLoader],
      env: { ...process.env, NODE_OPTIONS: '', EXEQUATUR_ORIGIN: standalone.origin, EXEQUATUR_AGENT_KEY: standalone.credentials.agent, EXEQUATUR_SCOPE: standalone.credentials.scope_path, EXEQUATUR_RUN: run },
    });
    const [message] = (await once(child, 'message')) as [{ parked?: string; ran?: string }];
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(message.ran).toBeUndefined();
    return message.parked ?? '';
  };
  const decide = async (verb: string, approvalId: string, body: object): Promise<number> => {
    const seen = await ask<{ view_hash: string }>(standalone.credentials.approver, `GET /v1/approvals/${approvalId}`);
    return (await ask(standalone.credentials.approver, `POST /v1/approvals/${approvalId}/${verb}` as 'POST /', { view_hash: seen.body.view_hash, ...body }, { 'if-match': seen.headers.get('etag') ?? '' })).status;
  };
  const options = (run: string): GovernedOptions<{ readonly to: string }> => ({ client: client(), tool: { name: 'mailer.send', version: '1.0' }, action_kind: 'message.email.send', scope_path: standalone.credentials.scope_path, run_id: run, target: ({ to }) => to });

  test('A11: another process gets checkpoint and decision, and executes once', async () => {
    const actionId = await killedWhileWaiting('run-resumed');
    const [parked] = await resumeRun(client(), 'run-resumed');
    expect([parked?.action.status, parked?.action.action_id]).toEqual(['awaiting_approval', actionId]);
    expect(await decide('approve', parked?.parked.approval_id ?? '', {})).toBe(200);
    const [resumed] = await until(() => resumeRun(client(), 'run-resumed'), ([found]) => found?.action.status === 'granted', 'the decision');
    expect(JSON.parse(new TextDecoder().decode(resumed?.checkpoint))).toEqual({ step: 7, notes: 'half way' });
    let ran = 0;
    const tool = async (): Promise<string> => {
      ran += 1;
      return 'sent';
    };
    const results = await Promise.allSettled([resumeGoverned(tool, options('run-resumed'), actionId), resumeGoverned(tool, options('run-resumed'), actionId)]);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(ran).toBe(1);
  }, SLOW);

  test('A2: a question is answered by the agent, and an answer in place of the tool is its result', async () => {
    const actionId = await killedWhileWaiting('run-answered');
    const approvalId = (await client().parked('run-answered'))[0]?.approval_id ?? '';
    expect(await decide('request-information', approvalId, { view_hash: undefined, question: 'Which customer?' })).toBe(200);
    const [question] = await client().questions(approvalId);
    expect(question).toMatchObject({ question: 'Which customer?', answered: false });
    await client().giveInformation(approvalId, question?.question_id ?? '', 'The one from Hamburg');
    await client().annotate(approvalId, { text: 'Known customer', source: 'crm', score: '0.9' });
    const card = (await ask<{ card: { more: object } }>(standalone.credentials.approver, `GET /v1/approvals/${approvalId}`)).body.card;
    expect(card.more).toMatchObject({ exchanges: [{ question: 'Which customer?', answer: 'The one from Hamburg' }], annotations: [{ source: 'crm', by_requester: true }] });
    expect(await decide('respond', approvalId, { response: 'I called them instead' })).toBe(200);
    expect(await resumeGoverned(async () => 'never', { ...options('run-answered'), on_pending: 'wait' }, actionId)).toBe('I called them instead');
  }, SLOW);

  test('A8: a rejection reaches the agent with its instruction', async () => {
    const actionId = await killedWhileWaiting('run-rejected');
    const approvalId = (await client().parked('run-rejected'))[0]?.approval_id ?? '';
    expect(await decide('reject', approvalId, { reason_code: 'wrong_target', reason: 'Not this one', instruction: 'reroute' })).toBe(200);
    const denied = await resumeGoverned(async () => 'never', options('run-rejected'), actionId).catch((error: unknown) => error);
    expect(denied).toBeInstanceOf(ActionDenied);
    expect(denied).toMatchObject({ stop_reason: 'approval_rejected', instruction: 'reroute: Not this one' });
  }, SLOW);
});
