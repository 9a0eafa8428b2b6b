import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { derivedId } from '@exequatur/kernel';
import { Database, LOGGER, RepeatedWork, ServiceMetrics } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { APPROVAL_LIMITS } from '../limits.js';
import { KeepNotices } from './keep-notices.js';

export interface Timeouts {
  /** ended without an answer in the last window */
  readonly recent: number;
  /** in the day before it */
  readonly before: number;
  /** decided by people in the last window */
  readonly decided: number;
}

const WINDOW_MINUTES = 15;
const WINDOWS_A_DAY = (24 * 60) / WINDOW_MINUTES;
const FEWEST = 5;
const TIMES_AS_MANY = 3;

/** More requests end in silence than people decide, at least five, and three times as many as in a usual window of the day before. */
export const isSpike = ({ recent, before, decided }: Timeouts): boolean => recent >= FEWEST && recent > decided && recent >= (TIMES_AS_MANY * before) / WINDOWS_A_DAY;

const COUNT = `SELECT tenant, count(*) FILTER (WHERE resolved_at > now() - make_interval(mins => ${WINDOW_MINUTES}))::int AS recent,
  count(*) FILTER (WHERE resolved_at <= now() - make_interval(mins => ${WINDOW_MINUTES}))::int AS before,
  (SELECT count(*)::int FROM vote_cast v WHERE v.tenant = r.tenant AND v.cast_at > now() - make_interval(mins => ${WINDOW_MINUTES})) AS decided,
  to_char(date_trunc('hour', now() AT TIME ZONE 'UTC'), 'YYYY-MM-DD"T"HH24:00:00"Z"') AS hour
FROM approval_request r WHERE status = 'expired' AND resolved_at > now() - interval '1 day' GROUP BY tenant`;

interface Row extends Timeouts, Record<string, unknown> {
  readonly tenant: string;
  readonly hour: string;
}

/** Raises an alert when requests begin to end in silence: through every channel, at most once an hour and tenant, whichever instance sees it first. */
@Injectable()
export class WatchTimeouts implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly looks: RepeatedWork;
  private spiking = 0;

  constructor(
    private readonly database: Database,
    private readonly notices: KeepNotices,
    @Inject(LOGGER) private readonly log: Logger,
    metrics: ServiceMetrics,
  ) {
    const look = async (): Promise<void> => void (await this.look());
    this.looks = new RepeatedWork(APPROVAL_LIMITS.timeoutWatchMs, look, (fault) => fault === undefined || log.warn({ err: fault }, 'timeouts could not be counted; trying again'));
    metrics.gauge('exequatur_approvals_timeout_spikes', 'Tenants whose requests end without an answer more often than usual.', () => this.spiking);
  }

  onApplicationBootstrap(): void {
    this.looks.startRested();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.looks.stop();
  }

  /** @returns tenants with a spike now */
  async look(): Promise<readonly string[]> {
    const { rows } = await this.database.query<Row>(COUNT);
    const spikes = rows.filter(isSpike);
    this.spiking = spikes.length;
    for (const { tenant, recent, decided, hour } of spikes) {
      this.log.warn({ tenant, expired: recent, decided }, 'requests end without an answer more often than usual');
      const body = { type: 'alert.timeouts', timestamp: hour, data: { tenant, expired: recent, decided, minutes: WINDOW_MINUTES } };
      await this.notices.tell(this.database, { tenant, approvalId: null, happenings: [{ eventId: derivedId('timeouts', tenant, hour), happening: 'alert.timeouts', body }] });
    }
    return spikes.map(({ tenant }) => tenant);
  }
}
