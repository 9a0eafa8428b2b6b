import { Injectable } from '@nestjs/common';
import { Database } from '@exequatur/service-kit';
import type { RequestStatus } from '../queue-view/queue-row.js';

/** As many as a list gives. */
export const MOST_PLANTED = 200;
const NEWEST = `SELECT approval_id, title, status, planted_by, planted_noticed, decided_by, opened_at, resolved_at FROM approval_request
WHERE tenant = $1 AND planted_by IS NOT NULL ORDER BY opened_at DESC LIMIT ${MOST_PLANTED}`;

interface Row {
  readonly approval_id: string;
  readonly title: string;
  readonly status: RequestStatus;
  readonly planted_by: string;
  /** null until somebody decides on it */
  readonly planted_noticed: boolean | null;
  readonly decided_by: string | null;
  readonly opened_at: Date;
  readonly resolved_at: Date | null;
}
export interface PlantedRequest extends Omit<Row, 'opened_at' | 'resolved_at'> {
  readonly opened_at: string;
  readonly resolved_at: string | null;
}

/** What was planted in the queue, for those who plant. */
@Injectable()
export class PlantedRequests {
  constructor(private readonly database: Database) {}

  /** Newest first. */
  async list(tenant: string): Promise<readonly PlantedRequest[]> {
    const { rows } = await this.database.query<Row>(NEWEST, [tenant]);
    return rows.map((row) => ({ ...row, opened_at: row.opened_at.toISOString(), resolved_at: row.resolved_at?.toISOString() ?? null }));
  }
}
