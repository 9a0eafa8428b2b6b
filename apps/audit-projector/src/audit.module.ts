import { Module } from '@nestjs/common';
import { AppendLeaves } from './append-leaves/append-leaves.js';
import { LogSubscription } from './append-leaves/log-subscription.js';
import { AskWitnesses } from './ask-witnesses/ask-witnesses.js';
import { WitnessTimer } from './ask-witnesses/witness-timer.js';
import { IndexSubjects } from './data-subjects/index-subjects.js';
import { SubjectsHttp } from './data-subjects/subjects.http.js';
import { EndRetention } from './end-retention/end-retention.js';
import { RetentionTimer } from './end-retention/retention-timer.js';
import { AboutAction } from './erase-action/about-action.js';
import { ErasureHttp } from './erase-action/erasure.http.js';
import { ForgetIntake } from './erase-action/forget-intake.js';
import { LegalHoldHttp } from './erase-action/legal-hold.http.js';
import { ExportHttp } from './export-log/export.http.js';
import { ExportArchive } from './export-log/export-archive.js';
import { ExportLog } from './export-log/export-log.js';
import { LogHttp } from './log-proofs/log.http.js';
import { LogReader } from './log-proofs/log-reader.js';
import { PublishTreeHeads } from './publish-tree-heads/publish-tree-heads.js';
import { PublishTiles } from './publish-tiles/publish-tiles.js';
import { TreeHeadTimer } from './publish-tree-heads/tree-head-timer.js';
import { OpenContent } from './receipt/receipt-content.js';
import { ReceiptHttp } from './receipt/receipt.http.js';
import { TimelineHttp } from './timeline-view/timeline.http.js';
import { FollowTimeline } from './workflow-metrics/follow-timeline.js';
import { WorkflowMetricsHttp } from './workflow-metrics/workflow-metrics.http.js';

/** It decides nothing. */
@Module({
  controllers: [LogHttp, ReceiptHttp, TimelineHttp, ExportHttp, ErasureHttp, LegalHoldHttp, SubjectsHttp, WorkflowMetricsHttp],
  providers: [AppendLeaves, LogSubscription, PublishTreeHeads, TreeHeadTimer, AskWitnesses, WitnessTimer, PublishTiles, LogReader, OpenContent, FollowTimeline, ExportLog, ExportArchive, AboutAction, ForgetIntake, IndexSubjects, EndRetention, RetentionTimer],
})
export class AuditModule {}
