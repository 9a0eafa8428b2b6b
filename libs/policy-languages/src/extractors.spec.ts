import { describe, expect, test } from '@jest/globals';
import type { JsonValue } from '@exequatur/kernel';
import { extractors } from './extractors.js';

const read = (source: string, args: JsonValue): JsonValue | undefined => {
  const compiled = extractors.compile(source);
  if ('fault' in compiled) throw new Error(compiled.fault);
  return compiled.read(args);
};

const order = { lines: [{ amount: '19.90', qty: 2 }, { amount: '0.10', qty: 1 }], to: [{ mail: 'ann@acme.example' }, { mail: 'bob@acme.example' }], region: 'eu', limit: 5, ratio: 0.5, none: null };

describe('an extractor', () => {
  test.each<[string, JsonValue | undefined]>([
    ['total(arguments.lines.map(l, l.amount))', '20'],
    ['total([arguments.lines[0].amount, 5])', '24.9'],
    ['arguments.to.map(t, t.mail)', ['ann@acme.example', 'bob@acme.example']],
    ['arguments.lines.filter(l, l.qty > 1).map(l, l.amount)', ['19.90']],
    ['size(arguments.lines)', 2],
    ['has(arguments.limit) ? arguments.limit * 2 : 0', 10],
    ['has(arguments.absent) ? arguments.absent : 0', 0],
    ["arguments.region + '-1'", 'eu-1'],
    ['arguments.ratio', 0.5],
    ["arguments['region']", 'eu'],
    ["arguments.lines.exists(l, l.amount == '0.10')", true],
  ])('%s', (source, value) => {
    expect(read(source, order)).toEqual(value);
  });

  test.each(['arguments.absent', 'arguments.none', 'arguments.lines', 'arguments.constructor', "arguments['__proto__']", 'arguments.limit / 0', 'total([arguments.ratio])', 'total(arguments.region)', 'arguments.region + arguments.limit', 'arguments.lines[7].amount'])('says nothing where it cannot be evaluated: %s', (source) => {
    expect(read(source, order)).toBeUndefined();
  });

  test.each([
    ['a variable nobody gave', 'action.kind'],
    ['one macro inside another', 'arguments.a.map(x, x.b.map(y, y.c))'],
    ['a pattern', "arguments.a.matches('(a*)*')"],
    ['a map', "{'a': 1}"],
    ['no expression', 'arguments.'],
    ['six hundred characters', `'${'x'.repeat(600)}'`],
    ['a thousand parts', Array.from({ length: 120 }, () => '1').join('+')],
  ])('refuses %s', (_, source) => {
    expect(extractors.compile(source)).toEqual({ fault: expect.any(String) });
  });

  test('is not tried on what would cost too much', () => {
    expect(read('size(arguments)', Array.from({ length: 1_001 }, () => 1))).toBeUndefined();
    expect(read('size(arguments)', Array.from({ length: 1_000 }, () => Array.from({ length: 30 }, () => 1)))).toBeUndefined();
    const longest = Array.from({ length: 1_000 }, () => ({ amount: '1.00' }));
    const began = process.cpuUsage();
    expect(read('total(arguments.map(l, l.amount))', longest)).toBe('1000');
    const { user, system } = process.cpuUsage(began);
    expect((user + system) / 1_000).toBeLessThan(process.env['EXEQUATUR_QUIET'] === '1' ? 50 : 5_000);
  });
});
