import { Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { ActionChanges } from './action-view/action-changes.js';
import { ActionDocuments } from './action-view/action-document.js';
import { ActionViewHttp } from './action-view/action-view.http.js';
import { Actions } from './action-view/actions.query.js';
import { ProjectActionWhenOthersDecided } from './action-view/project-action.consumer.js';
import { AgentAutonomy } from './autonomy/agent-autonomy.js';
import { AutonomyHttp } from './autonomy/autonomy.http.js';
import { LowerAutonomy } from './autonomy/lower-autonomy.js';
import { ClassifyKindHandler } from './classify-kind/classify-kind.handler.js';
import { ClassifyKindHttp } from './classify-kind/classify-kind.http.js';
import { DraftsHttp } from './draft-policy/drafts.http.js';
import { PolicyDrafts } from './draft-policy/policy-drafts.js';
import { BringUpToDate } from './layer-policies/bring-up-to-date.js';
import { OrganisationPolicyHttp } from './layer-policies/organisation-policy.http.js';
import { OverlaysHttp } from './layer-policies/overlays.http.js';
import { AgentsHttp } from './directory/agents.http.js';
import { DirectoryFacts } from './directory/directory-facts.js';
import { PeopleHttp } from './directory/people.http.js';
import { TenantsHttp } from './directory/tenants.http.js';
import { ToolsHttp } from './directory/tools.http.js';
import { IntakeConsumer } from './intake/intake.consumer.js';
import { IntakeHttp } from './intake/intake.http.js';
import { ActivePolicies } from './policy-versions/active-policies.js';
import { MarkPolicyInForceWhenReservationsSwitched } from './policy-versions/mark-policy-in-force.consumer.js';
import { PolicyPublisher } from './policy-versions/policy-publisher.js';
import { PolicyVersionsHttp } from './policy-versions/policy-versions.http.js';
import { PolicyVersions } from './policy-versions/policy-versions.query.js';
import { ProposeActionHandler } from './propose-action/propose-action.handler.js';
import { ProposeActionHttp } from './propose-action/propose-action.http.js';
import { ProposeBatch } from './propose-action/propose-batch.js';
import { PublishPolicyHandler } from './publish-policy/publish-policy.handler.js';
import { PublishPolicyHttp } from './publish-policy/publish-policy.http.js';
import { RollBackPolicyHandler } from './rollback-policy/rollback-policy.handler.js';
import { RollBackPolicyHttp } from './rollback-policy/rollback-policy.http.js';
import { EqualityKeys } from './second-asking/equality-keys.js';
import { ShadowPolicyHttp } from './shadow-policy/shadow-policy.http.js';
import { Shadows } from './shadow-policy/shadows.js';
import { ProposeWhatAPersonEdited } from './propose-edit/propose-edit.consumer.js';
import { DecideAnewHttp } from './decide-anew/decide-anew.http.js';
import { RecordedActions } from './try-policy/recorded-actions.js';
import { TriedPolicies } from './try-policy/tried-policies.js';
import { TryPolicyHttp } from './try-policy/try-policy.http.js';
import { PeopleOfProviders } from './sign-in/people-of-providers.js';
import { SignInHttp } from './sign-in/sign-in.http.js';
import { WithdrawActionHandler } from './withdraw-action/withdraw-action.handler.js';
import { WithdrawActionHttp } from './withdraw-action/withdraw-action.http.js';

/** Who proposed, what kind, which verdict; and the directory of tenants, agents, people and tools. */
@Module({
  imports: [CqrsModule.forRoot()],
  controllers: [
    ProposeActionHttp, WithdrawActionHttp, DecideAnewHttp, ActionViewHttp, ProjectActionWhenOthersDecided, ProposeWhatAPersonEdited, IntakeHttp,
    PublishPolicyHttp, RollBackPolicyHttp, TryPolicyHttp, ShadowPolicyHttp, OrganisationPolicyHttp, OverlaysHttp, DraftsHttp, AutonomyHttp, PolicyVersionsHttp, ClassifyKindHttp, MarkPolicyInForceWhenReservationsSwitched,
    TenantsHttp, AgentsHttp, PeopleHttp, ToolsHttp, SignInHttp,
  ],
  providers: [
    ProposeActionHandler, ProposeBatch, EqualityKeys, ActivePolicies, WithdrawActionHandler, Actions, ActionDocuments, ActionChanges, IntakeConsumer,
    PublishPolicyHandler, RollBackPolicyHandler, ClassifyKindHandler, PolicyPublisher, BringUpToDate, PolicyDrafts, AgentAutonomy, LowerAutonomy, PolicyVersions, TriedPolicies, RecordedActions, Shadows, DirectoryFacts, PeopleOfProviders,
  ],
})
export class PolicyModule {}
