import { describe, expect, test } from '@jest/globals';
import { CSV_HEADER, csvLine } from './csv-lines.js';
import type { ShownEvent } from './shown-event.js';

const event: ShownEvent = { sequence: 7, tenant: 'acme', event_id: 'e', name: 'ActionDenied', type: 't', service: 'policy', version: 2, time: '2026-11-20T09:00:00.000Z', subject: 's', actor_type: 'agent', actor_id: 'bot', action_id: 'a', agent: 'bot', action_kind: 'mail', event_hash: 'sha256:00', data: { code: 'POLICY_DENIED', rule_id: 'r', reason: 'a "quoted", broken\nline' } };

/** Cells as RFC 4180 reads them. */
const cellsOf = (line: string): string[] => [...line.matchAll(/"((?:[^"]|"")*)"(?:,|\r\n)/g)].map(([, cell = '']) => cell.replaceAll('""', '"'));

describe('CSV', () => {
  test('has a cell for every column, and gives back what went in', () => {
    const [names, cells] = [cellsOf(CSV_HEADER), cellsOf(csvLine(event))];
    expect(cells).toHaveLength(names.length);
    expect(JSON.parse(cells.at(-1) ?? '')).toEqual(event.data);
    expect(cells.slice(0, 6)).toEqual(['7', '2026-11-20T09:00:00.000Z', 'ActionDenied', 'policy', 'agent', 'bot']);
  });

  test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r\n=cmd', ' =1', '\u200b=1', '|calc', '%0A=1', '=HYPERLINK("http://x")', '\ufeff=1'])('no cell is a formula: %j', (hostile) => {
    const cells = cellsOf(csvLine({ ...event, actor_id: hostile, agent: hostile, action_kind: hostile, data: { code: hostile } }));
    for (const cell of cells) expect(cell).not.toMatch(/^[\s\p{Cc}\p{Cf}]*[=+\-@|%]/u);
    expect(cells[5]).toBe(`'${hostile}`);
  });
});
