import { Injectable } from '@nestjs/common';
import type { ApprovalCommand } from '@exequatur/approvals-domain';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { newId, toInstant } from '@exequatur/kernel';
import { Database, problem, type AgentPrincipal } from '@exequatur/service-kit';
import { ApprovalStreams } from '../approval-stream/approval-streams.js';
import type { RecordedApproval } from '../approval-stream/recorded-approval.js';
import { DecideRequests, type Attempt, type Decided } from '../decide-request/decide-requests.js';
import { DEFAULT_ASSIGNMENT_MINUTES } from './steer-bodies.js';
import type { annotateBody, assignBody, deferBody, escalateBody, giveInformationBody } from './steer-bodies.js';

/** What moves a request along without deciding it, and what the agent side and models add to its card. */
@Injectable()
export class SteerRequest {
  constructor(
    private readonly requests: DecideRequests,
    private readonly streams: ApprovalStreams,
    private readonly database: Database,
  ) {}

  defer(tx: PgTransaction, attempt: Attempt, { until, reason }: Shape<typeof deferBody>): Promise<Decided> {
    return this.requests.decide(tx, attempt, { attempted: 'defer', command: ({ voter, now }) => ({ type: 'Defer', metadata: { now }, data: { voter, until, ...(reason === undefined ? {} : { reason }) } }) });
  }

  assign(tx: PgTransaction, attempt: Attempt, { minutes = DEFAULT_ASSIGNMENT_MINUTES }: Shape<typeof assignBody>): Promise<Decided> {
    return this.requests.decide(tx, attempt, { attempted: 'assign', command: ({ voter, now }) => ({ type: 'Assign', metadata: { now }, data: { voter, until: toInstant(now + minutes * 60_000) } }) });
  }

  escalate(tx: PgTransaction, attempt: Attempt, { to_role, to_person, reason }: Shape<typeof escalateBody>): Promise<Decided> {
    const to = { ...(to_role === undefined ? {} : { toRole: to_role }), ...(to_person === undefined ? {} : { toPerson: to_person }) };
    return this.requests.decide(tx, attempt, {
      attempted: 'escalate',
      command: async ({ voter, now }) => {
        if (to_person !== undefined) await this.mustExist(tx, attempt.caller.tenant, to_person);
        return { type: 'Escalate', metadata: { now }, data: { voter, ...to, ...(reason === undefined ? {} : { reason }) } };
      },
    });
  }

  requestInformation(tx: PgTransaction, attempt: Attempt, question: string): Promise<Decided> {
    return this.requests.decide(tx, attempt, { attempted: 'request-information', command: ({ voter, now }) => ({ type: 'RequestInformation', metadata: { now }, data: { voter, questionId: newId(), question } }) });
  }

  giveInformation(tx: PgTransaction, attempt: Attempt, { question_id, answer }: Shape<typeof giveInformationBody>): Promise<Decided> {
    return this.requests.decide(tx, attempt, {
      command: async ({ approval, voter, now, content }): Promise<ApprovalCommand> => {
        mayRead(attempt, approval);
        return { type: 'GiveInformation', metadata: { now }, data: { voter, questionId: question_id, answer: answer ?? '', content: await content() } };
      },
    });
  }

  annotate(tx: PgTransaction, attempt: Attempt, { source, score, text }: Shape<typeof annotateBody>): Promise<Decided> {
    return this.requests.decide(tx, attempt, {
      command: async ({ approval, voter, now, content }): Promise<ApprovalCommand> => {
        mayRead(attempt, approval);
        return { type: 'Annotate', metadata: { now }, data: { voter, source: source ?? voter.id, ...(score === undefined ? {} : { score }), text: text ?? '', content: await content() } };
      },
    });
  }

  /** What people asked, for the agent of the action alone. @throws Problem NOT_FOUND */
  async questions(agent: AgentPrincipal, approvalId: string): Promise<{ readonly approval_id: string; readonly items: readonly { readonly question_id: string; readonly question: string; readonly answered: boolean }[] }> {
    return this.database.snapshot(async (tx) => {
      const approval = await this.streams.load(tx, agent.tenant, approvalId);
      if (approval === undefined || approval.state.request.facts.agent !== agent.id) return problem('NOT_FOUND');
      const content = await this.streams.content(approval, tx);
      const items = (content?.context.exchanges ?? []).map(({ question_id, question, answer }) => ({ question_id, question, answered: answer !== undefined }));
      return { approval_id: approvalId, items };
    });
  }

  private async mustExist(tx: PgTransaction, tenant: string, person: string): Promise<void> {
    const { rowCount } = await tx.query('SELECT FROM directory_person WHERE tenant = $1 AND person = $2', [tenant, person]);
    if (rowCount === 0) problem('INVALID', 'nobody of that name', [{ pointer: '/to_person', expected: 'a person of this tenant' }]);
  }
}

/** Another agent remarks only inside the part of the scope tree that it may act in; elsewhere the request does not exist for it. */
const mayRead = ({ caller }: Attempt, { state }: RecordedApproval): void => {
  if (caller.type !== 'agent' || caller.id === state.request.facts.agent) return;
  const path = `${state.request.facts.scope_path}/`;
  if (!path.startsWith(`${caller.scopePrefix}/`)) problem('NOT_FOUND');
};
