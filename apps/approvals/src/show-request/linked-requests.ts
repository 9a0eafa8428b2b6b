import { Injectable } from '@nestjs/common';
import { Database } from '@exequatur/service-kit';
import type { RequestStatus } from '../queue-view/queue-row.js';
import { maySee, type Viewer } from '../queue-view/visibility.js';
import type { ShownRequest } from './show-request.js';

export interface LinkedRequest {
  readonly approval_id: string;
  readonly title: string;
  readonly status: RequestStatus;
}

/** Of an action that a person changed into another one: the requests on both sides, where there are any. */
export interface LinkedRequests {
  readonly before?: LinkedRequest;
  readonly after?: LinkedRequest;
}

interface Row extends LinkedRequest {
  readonly is_after: boolean;
  readonly all_roles: readonly string[];
  readonly asked: readonly string[];
}
const LINKED = `SELECT approval_id, title, status, all_roles, asked, follows IS NOT DISTINCT FROM $2::uuid AS is_after FROM approval_request
WHERE tenant = $1 AND (follows = $2::uuid OR action_id = $3::uuid)`;

@Injectable()
export class RequestLinks {
  constructor(private readonly database: Database) {}

  /** Those that this person may see. */
  async of(viewer: Viewer, { action_id, follows, status }: ShownRequest): Promise<LinkedRequests> {
    if (status !== 'cancelled' && follows === undefined) return {};
    const { rows } = await this.database.query<Row>(LINKED, [viewer.tenant, action_id, follows ?? null]);
    const seen = rows.filter(({ all_roles, asked }) => maySee(viewer, all_roles, asked));
    const linked = (after: boolean): LinkedRequest | undefined => seen.find(({ is_after }) => is_after === after);
    const [before, after] = [linked(false), linked(true)];
    return { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
  }
}
