export { auditService } from './audit-service.js';
export { rebuildAll, rebuildTimeline, type RebuiltTimeline } from './timeline-view/rebuild-timeline.js';
