import { Gauge, Histogram, Registry } from 'prom-client';

/** Seconds; the target of an authority decision is well under 0.1. */
const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64];

/** A consumer's place, as `Subscription.health()` gives it. */
export interface ConsumerHealth {
  readonly sinceFetchMs: number;
  readonly lag: number;
  readonly failing: boolean;
}

/** The metrics every service has, in a registry of its own: several services may share a process. Apps add theirs to `registry`. */
export class ServiceMetrics {
  readonly registry = new Registry();

  private readonly requests = new Histogram({
    name: 'exequatur_http_request_duration_seconds',
    help: 'Time from the first byte of a request to the end of its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: DURATION_BUCKETS,
    registers: [this.registry],
  });
  private readonly batches = new Histogram({
    name: 'exequatur_batch_size',
    help: 'Commands committed in one transaction.',
    labelNames: ['batcher'],
    buckets: BATCH_BUCKETS,
    registers: [this.registry],
  });

  constructor(service: string) {
    this.registry.setDefaultLabels({ service });
  }

  /** `route` is the pattern (`/v1/actions/:id`), so that ids make no series. */
  requested(method: string, route: string, status: number, seconds: number): void {
    this.requests.observe({ method, route, status: String(status) }, seconds);
  }

  /** For `BatcherOptions.onBatch`. */
  batched(batcher: string, size: number): void {
    this.batches.observe({ batcher }, size);
  }

  /** A number that is read when the metrics are. */
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }
}
