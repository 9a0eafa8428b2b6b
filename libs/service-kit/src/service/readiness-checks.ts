import { databaseCheck, type HealthCheck } from '../observability/health.js';
import type { Platform } from './platform.js';

/** Nothing was fetched, or published, for so long: the bus is gone. */
const SILENT_MS = 15_000;
/** Events committed here that no other service can have seen yet. */
const MAX_RELAY_LAG = 5_000;

const relayCheck = ({ relay }: Platform): HealthCheck => ({
  name: 'relay',
  check: () => {
    const { lagEvents, sinceSuccessMs, failing } = relay.health();
    if (failing) return Promise.resolve('publishing fails and is repeated');
    if (sinceSuccessMs > SILENT_MS) return Promise.resolve(`no success for ${Math.round(sinceSuccessMs / 1_000)} s`);
    return Promise.resolve(lagEvents > MAX_RELAY_LAG ? `${lagEvents} events behind` : undefined);
  },
});

const consumerCheck = ({ strategy }: Platform): HealthCheck => ({
  name: 'consumer',
  check: () => {
    const health = strategy.health();
    // A service without event handlers consumes nothing.
    if (health === undefined) return Promise.resolve(undefined);
    if (health.failing) return Promise.resolve('an event is tried again and again');
    return Promise.resolve(health.sinceFetchMs > SILENT_MS ? `nothing fetched for ${Math.round(health.sinceFetchMs / 1_000)} s` : undefined);
  },
});

/** Checks and gauges of what every service stands on. */
export const watchPlatform = (platform: Platform): void => {
  const { health, metrics, relay, strategy, admission } = platform;
  for (const check of [databaseCheck(platform.database), relayCheck(platform), consumerCheck(platform)]) health.add(check);
  metrics.gauge('exequatur_relay_lag_events', 'Events committed but not published, as of the last look; 10,000 at most.', () => relay.health().lagEvents);
  metrics.gauge('exequatur_consumer_lag_messages', 'Messages this service has not taken yet.', () => strategy.health()?.lag ?? 0);
  metrics.gauge('exequatur_consumer_since_fetch_seconds', 'Time since the last successful fetch.', () => (strategy.health()?.sinceFetchMs ?? 0) / 1_000);
  metrics.gauge('exequatur_http_requests_in_flight', 'Requests under way, long polls included.', () => admission.inFlight);
  metrics.gauge('exequatur_database_connections_waiting', 'Requests waiting for a connection of the pool.', () => platform.database.pool.waitingCount);
};
