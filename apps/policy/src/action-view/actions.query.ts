import { Injectable } from '@nestjs/common';
import { actingTenant, Database, problem } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { viewRow } from './action-view-rows.js';
import type { ActionView } from './action-view.js';

@Injectable()
export class Actions {
  constructor(private readonly database: Database) {}

  /** Agents see their own actions, people those of their tenant; everything else is not there. @throws Problem NOT_FOUND */
  async visible(principal: Principal, actionId: string, tenant?: string): Promise<ActionView> {
    const view = (await viewRow(this.database, actingTenant(principal, tenant), actionId)) ?? problem('NOT_FOUND');
    if (principal.type === 'agent' && view.agent !== principal.id) problem('NOT_FOUND');
    return view;
  }
}
