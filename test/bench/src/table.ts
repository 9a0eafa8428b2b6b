import type { Measured } from './load.js';

interface Facts {
  readonly loadBefore: number;
  readonly overGrants: number;
  readonly heldAfter: bigint;
  readonly committed: bigint;
}

const ms = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(1));

/** Markdown, as it stands in docs/reference/benchmarks.md. */
export const table = (results: Readonly<Record<string, Measured>>, ratios: Readonly<Record<string, number>>, facts: Facts): string =>
  [
    '| run | per second | p50 ms | p99 ms | p99.9 ms | errors |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    ...Object.entries(results).map(([name, measured]) => `| ${name} | ${measured.perSecond.toFixed(0)} | ${ms(measured.p50)} | ${ms(measured.p99)} | ${ms(measured.p999)} | ${measured.errors} |`),
    '',
    '| ratio, same run | |',
    '| --- | ---: |',
    ...Object.entries(ratios).map(([name, value]) => `| ${name} | ${value.toFixed(2)} |`),
    '',
    `Load average before: ${facts.loadBefore.toFixed(2)}. Budgets over their cap: ${facts.overGrants}. Committed in all: ${facts.committed} RISK_POINTS; still held (lifecycles cut off by a run's end, and the reservations of the latency run): ${facts.heldAfter}.`,
  ].join('\n');
