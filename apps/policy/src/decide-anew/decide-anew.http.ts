import { Controller, HttpCode, Post } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { name, object, oneOf, optional, text, uuid, VERDICTS } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { actingTenant, actorOf, Allow, Caller, Database, Describe, Directory, Http, problem, ShapedBody, ShapedPath } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { followerOf } from '../action-view/action-view-rows.js';
import { Actions } from '../action-view/actions.query.js';
import { ProposeAction } from '../propose-action/propose-action.command.js';
import { RecordedActions } from '../try-policy/recorded-actions.js';

const anewBody = object({ tenant: optional(name()) });
const decidedAnew = object({ action_id: uuid(), follows: uuid(), status: text(50), verdict: oneOf(...VERDICTS), rule_id: text(200), reason: text(1_000) });

/** What was set aside is decided under the policy of today, as an action of its own that says which one it follows. */
@Controller('v1/actions')
export class DecideAnewHttp {
  constructor(
    private readonly commands: CommandBus,
    private readonly actions: Actions,
    private readonly recorded: RecordedActions,
    private readonly directory: Directory,
    private readonly database: Database,
  ) {}

  // The action itself is the key: it is decided anew once, and asking again shows the same one.
  @Post(':id/decide-anew')
  @HttpCode(201)
  @Allow('person:policy-admin', 'root')
  @Describe({ summary: 'Decide a quarantined action under the policy of today, as a linked proposal of the same agent. Once; again shows the same one.', body: anewBody, keyless: true, answers: { 201: decidedAnew }, codes: ['NOT_FOUND', 'CONFLICT'] })
  async decide(@ShapedPath('id', uuid()) id: string, @ShapedBody(anewBody) body: Shape<typeof anewBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Shape<typeof decidedAnew>> {
    const view = await this.actions.visible(principal, id, body.tenant);
    const tenant = actingTenant(principal, body.tenant);
    if (view.status !== 'quarantined') return problem('CONFLICT', `the action is ${view.status}, not quarantined`);
    const follower = await followerOf(this.database, tenant, id);
    if (follower !== undefined) return shown(await this.actions.visible(principal, follower, body.tenant), id);
    const [recorded] = await this.recorded.of(tenant, [id]);
    if (recorded?.proposal === undefined) return problem('CONFLICT', 'the content of the action is erased');
    const agent = (await this.directory.agent(tenant, view.agent)) ?? problem('CONFLICT', 'the agent is no longer known');
    const anew = { follows: id, actor: actorOf(principal) };
    const answer = await this.commands.execute(new ProposeAction({ type: 'agent', ...agent, keyId: 'decided-anew', ...(recorded.chain === undefined ? {} : { chain: recorded.chain }) }, recorded.proposal, id, view.door, request.traceparent, anew));
    // Salt and grant are for the agent, who finds the new action through the old one.
    return shown(JSON.parse(answer.body.toString('utf8')) as Shape<typeof decidedAnew>, id);
  }
}

const shown = ({ action_id, status, verdict, rule_id, reason }: Omit<Shape<typeof decidedAnew>, 'follows'>, follows: string): Shape<typeof decidedAnew> => ({ action_id, follows, status, verdict, rule_id, reason });
