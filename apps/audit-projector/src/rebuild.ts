import { PgEventStore } from '@exequatur/event-store';
import { createService, Database, loadConfig } from '@exequatur/service-kit';
import { auditService } from './audit-service.js';
import { rebuildAll } from './timeline-view/rebuild-timeline.js';

/**
 * Rebuilds every tenant's read model from its log and says whether it equals the one before. Runs beside live instances, as
 * one more of them. Exit code 1 when a rebuilt model differs.
 */
const service = await createService(auditService.definition, loadConfig(auditService.Config, process.env));
let began = performance.now();
try {
  for await (const { tenant, leaves, rows, before, after } of rebuildAll(service.app.get(Database), service.app.get(PgEventStore))) {
    const equal = before === after;
    process.stdout.write(`${tenant}: ${leaves} leaves, ${rows} rows, ${after}, ${equal ? 'equal to the one before' : `DIFFERS from ${before}`}, in ${Math.round(performance.now() - began)} ms\n`);
    began = performance.now();
    if (!equal) process.exitCode = 1;
  }
} finally {
  await service.close();
}
