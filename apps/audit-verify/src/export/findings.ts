import type { Violation } from '../report.js';

type Found = Omit<Violation, 'tenant' | 'event_id' | 'sequence'> & { readonly tenant?: string; readonly event_id?: string | undefined; readonly sequence?: number | undefined };

/** Counts every violation and keeps the first ones. */
export class Findings {
  readonly kept: Violation[] = [];
  readonly byInvariant: Record<string, number> = {};
  total = 0;
  openTotal = 0;
  tenant = '';

  constructor(private readonly most: number) {}

  add({ event_id: eventId, sequence, ...found }: Found): void {
    const violation: Violation = { tenant: this.tenant, ...found, ...(sequence === undefined ? {} : { sequence }), ...(eventId === undefined ? {} : { event_id: eventId }) };
    this.total += 1;
    if (violation.open === true) this.openTotal += 1;
    else this.byInvariant[String(violation.invariant)] = (this.byInvariant[String(violation.invariant)] ?? 0) + 1;
    if (this.kept.length < this.most) this.kept.push(violation);
  }
}
