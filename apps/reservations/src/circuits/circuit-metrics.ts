import { Injectable } from '@nestjs/common';
import { ServiceMetrics } from '@exequatur/service-kit';
import { Counter } from 'prom-client';

/** For alerts: an agent was paused, or has begun to do something else. */
@Injectable()
export class CircuitMetrics {
  private readonly openings: Counter;
  private readonly drifts: Counter;

  constructor({ registry }: ServiceMetrics) {
    this.openings = new Counter({ name: 'exequatur_circuits_opened_total', help: 'Circuits that opened: agents, or agents and kinds, that were paused.', registers: [registry] });
    this.drifts = new Counter({ name: 'exequatur_drift_warnings_total', help: 'Agents whose kinds of action shifted against their own past.', registers: [registry] });
  }

  opened(): void {
    this.openings.inc();
  }

  drifted(): void {
    this.drifts.inc();
  }
}
