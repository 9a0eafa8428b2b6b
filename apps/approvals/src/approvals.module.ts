import { Module } from '@nestjs/common';
import { PAGE_SESSIONS } from '@exequatur/service-kit';
import { ApprovalStreams } from './approval-stream/approval-streams.js';
import { CancelRequestWhenActionIsWithdrawn } from './cancel-request/cancel-request.events.js';
import { DecideBatch } from './decide-batch/decide-batch.js';
import { DecideBatchHttp } from './decide-batch/decide-batch.http.js';
import { DecideRequests } from './decide-request/decide-requests.js';
import { StepUp } from './decide-request/step-up.js';
import { Voters } from './decide-request/voters.js';
import { ExpireRequests } from './expire-requests/expire-requests.js';
import { ExpirySweep } from './expire-requests/expiry-sweep.js';
import { QueueTargets } from './list-requests/queue-targets.js';
import { LendRole } from './lend-role/lend-role.js';
import { LendRoleHttp } from './lend-role/lend-role.http.js';
import { ListRequests } from './list-requests/list-requests.js';
import { ListRequestsHttp } from './list-requests/list-requests.http.js';
import { SavedViews } from './list-requests/saved-views.js';
import { SavedViewsHttp } from './list-requests/saved-views.http.js';
import { Looks } from './look-at-request/looks.js';
import { ConfirmRevocations } from './confirm-revocations/confirm-revocations.js';
import { CardContexts } from './open-request/card-context.js';
import { OpenRequestWhenApprovalIsRequired } from './open-request/open-request.events.js';
import { OpenRequest } from './open-request/open-request.js';
import { BatchPages } from './pages/batch.page.js';
import { LoginPages } from './pages/login.page.js';
import { OtherForms } from './pages/other-forms.js';
import { QueuePages } from './pages/queue.page.js';
import { PlantedPages } from './pages/planted.page.js';
import { RequestPages } from './pages/request.page.js';
import { ReviewPages } from './pages/reviews.page.js';
import { ReviewersPage } from './pages/reviewers.page.js';
import { Sessions } from './pages/sessions.js';
import { PeopleSignedIn } from './pages/sign-in/people-signed-in.js';
import { ProviderSignIn } from './pages/sign-in/provider-sign-in.js';
import { SignInPages } from './pages/sign-in/sign-in.page.js';
import { SignInTickets } from './pages/sign-in/sign-in-tickets.js';
import { StylesheetPage } from './pages/stylesheet.page.js';
import { ParkRun } from './park-run/park-run.js';
import { ParkRunHttp } from './park-run/park-run.http.js';
import { PlantCanary } from './plant-canary/plant-canary.js';
import { PlantedRequests } from './plant-canary/planted-requests.js';
import { PlantCanaryHttp } from './plant-canary/plant-canary.http.js';
import { RebuildQueue } from './queue-view/rebuild-queue.js';
import { Viewers } from './queue-view/visibility.js';
import { RejectionReasons } from './reject-reasons/rejection-reasons.js';
import { RejectionReasonsHttp } from './reject-reasons/rejection-reasons.http.js';
import { OpenReviewWhenDrawn } from './review-afterwards/open-review.events.js';
import { ReviewAfterwards } from './review-afterwards/review-afterwards.js';
import { ReviewAfterwardsHttp } from './review-afterwards/review-afterwards.http.js';
import { ReviewEmergency, ReviewEmergencyHttp } from './review-emergency/review-emergency.http.js';
import { ReviewQuality, ReviewQualityHttp } from './review-quality/review-quality.http.js';
import { RevokeLostGrants } from './revoke-grant/revoke-lost-grants.js';
import { RevokeWhenRolesAreLost } from './revoke-grant/revoke-when-roles-are-lost.events.js';
import { RevokeGrantHttp } from './revoke-grant/revoke-grant.http.js';
import { ShowCardHttp } from './show-card/show-card.http.js';
import { RequestLinks } from './show-request/linked-requests.js';
import { ShowRequest } from './show-request/show-request.js';
import { ShowRequestHttp } from './show-request/show-request.http.js';
import { SteerRequest } from './steer-request/steer-request.js';
import { SteerRequestHttp } from './steer-request/steer-request.http.js';
import { ChangesHub } from './stream-changes/changes-hub.js';
import { StreamChanges } from './stream-changes/stream-changes.js';
import { StreamChangesHttp } from './stream-changes/stream-changes.http.js';
import { MailAddressesHttp } from './tell-by-mail/mail-addresses.http.js';
import { MailChannel } from './tell-by-mail/mail-channel.js';
import { ADDRESSEES, CHANNELS } from './tell-channels/channel.js';
import { DeliverNotices } from './tell-channels/deliver-notices.js';
import { KeepNotices } from './tell-channels/keep-notices.js';
import { WatchTimeouts } from './tell-channels/watch-timeouts.js';
import { DecideFromSlack } from './tell-slack/decide-from-slack.js';
import { SlackChannel } from './tell-slack/slack-channel.js';
import { SlackInstallations } from './tell-slack/slack-installations.js';
import { SlackInteractionsHttp } from './tell-slack/slack-interactions.http.js';
import { WebhookChannel } from './tell-webhooks/webhook-channel.js';
import { WebhookEndpoints } from './tell-webhooks/webhook-endpoints.js';
import { WebhookEndpointsHttp } from './tell-webhooks/webhook-endpoints.http.js';
import { DecisionRequests } from './vote-on-request/decision-requests.js';
import { VoteOnRequest } from './vote-on-request/vote-on-request.js';
import { VoteOnRequestHttp } from './vote-on-request/vote-on-request.http.js';

@Module({
  controllers: [
    OpenRequestWhenApprovalIsRequired,
    CancelRequestWhenActionIsWithdrawn,
    OpenReviewWhenDrawn,
    ReviewAfterwardsHttp,
    ListRequestsHttp,
    ShowRequestHttp,
    ShowCardHttp,
    VoteOnRequestHttp,
    RevokeGrantHttp,
    RevokeWhenRolesAreLost,
    SteerRequestHttp,
    ReviewEmergencyHttp,
    LendRoleHttp,
    RejectionReasonsHttp,
    PlantCanaryHttp,
    DecideBatchHttp,
    SavedViewsHttp,
    ParkRunHttp,
    StreamChangesHttp,
    ReviewQualityHttp,
    WebhookEndpointsHttp,
    MailAddressesHttp,
    SlackInteractionsHttp,
    StylesheetPage,
    LoginPages,
    SignInPages,
    QueuePages,
    BatchPages,
    ReviewersPage,
    ReviewPages,
    PlantedPages,
    RequestPages,
  ],
  providers: [
    ApprovalStreams,
    WebhookEndpoints,
    WebhookChannel,
    MailChannel,
    SlackInstallations,
    SlackChannel,
    DecideFromSlack,
    { provide: ADDRESSEES, useFactory: (...addressees: readonly unknown[]) => addressees, inject: [WebhookChannel, MailChannel, SlackInstallations] },
    { provide: CHANNELS, useFactory: (...channels: readonly unknown[]) => channels, inject: [WebhookChannel, MailChannel, SlackChannel] },
    KeepNotices,
    DeliverNotices,
    WatchTimeouts,
    OpenRequest,
    CardContexts,
    ExpireRequests,
    ConfirmRevocations,
    RejectionReasons,
    PlantCanary,
    PlantedRequests,
    ReviewAfterwards,
    ExpirySweep,
    ListRequests,
    QueueTargets,
    SavedViews,
    Viewers,
    Looks,
    ShowRequest,
    RequestLinks,
    RebuildQueue,
    Voters,
    StepUp,
    RevokeLostGrants,
    DecideRequests,
    VoteOnRequest,
    SteerRequest,
    ReviewEmergency,
    LendRole,
    DecideBatch,
    ParkRun,
    ChangesHub,
    StreamChanges,
    ReviewQuality,
    DecisionRequests,
    OtherForms,
    Sessions,
    SignInTickets,
    ProviderSignIn,
    PeopleSignedIn,
    { provide: PAGE_SESSIONS, useExisting: Sessions },
  ],
})
export class ApprovalsModule {}
