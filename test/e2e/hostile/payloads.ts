const [FACTOR, OTHER_FACTOR] = [7_402_931, 8_615_527] as const;
/** What a template that was evaluated shows. So many digits stand in no id, time or port. */
export const EVALUATED = String(FACTOR * OTHER_FACTOR);

/** Texts that mean something to some machine, none of which may mean anything to us. */
export const HOSTILE_TEXTS = [
  "'; DROP TABLE event; --",
  "' OR '1'='1",
  '1); SELECT pg_sleep(10); --',
  `{{${FACTOR}*${OTHER_FACTOR}}}`,
  `\${${FACTOR}*${OTHER_FACTOR}}`,
  `<%= ${FACTOR}*${OTHER_FACTOR} %>`,
  '${jndi:ldap://127.0.0.1/a}',
  '<script>alert(1)</script>',
  '../../../../etc/passwd',
  '..%2f..%2fetc%2fpasswd',
  '%00',
  '\u0000',
  '\u202Etxt.exe',
  '__proto__',
  'constructor',
  'a'.repeat(5_000),
  '',
  ' ',
  'ÄÖÜ🙂',
  'null',
  '-1',
  '1e400',
  '0x10',
] as const;

/** Values of every wrong type, for a generator to put where they do not belong. */
export const HOSTILE_VALUES: readonly unknown[] = [null, true, false, 0, -1, 1.5, 9_007_199_254_740_991, '', [], {}, [[]], [null], { length: 1 }, { constructor: {} }, { toString: 'x' }, ['acme'], { $gt: '' }, ...HOSTILE_TEXTS];

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const inside = (sound: string, member: string): string => (sound === '{}' ? `{${member}}` : `{${member},${sound.slice(1)}`);

/** Bodies that cannot be read, made from a sound one; all are refused before any schema is asked. */
export const unreadableBodies = (sound: string): readonly (readonly [what: string, body: string | Buffer, code: 'MALFORMED' | 'TOO_LARGE'])[] => [
  ['no body', '', 'MALFORMED'],
  ['white space', ' \n\t', 'MALFORMED'],
  ['not JSON', 'hello', 'MALFORMED'],
  ['cut short', sound.slice(0, -1), 'MALFORMED'],
  ['two documents', `${sound}${sound}`, 'MALFORMED'],
  ['a comma too many', inside(sound, '"a":[1,]'), 'MALFORMED'],
  ['a comment', `/* */${sound}`, 'MALFORMED'],
  ['single quotes', "{'a':1}", 'MALFORMED'],
  ['NaN', inside(sound, '"a":NaN'), 'MALFORMED'],
  ['a duplicate key', inside(sound, '"a":1,"a":1'), 'MALFORMED'],
  ['a duplicate key, escaped', inside(sound, '"a":1,"\\u0061":2'), 'MALFORMED'],
  ['__proto__', inside(sound, '"__proto__":{"admin":true}'), 'MALFORMED'],
  ['__proto__, nested', inside(sound, '"a":{"__proto__":null}'), 'MALFORMED'],
  ['a lone surrogate', inside(sound, '"a":"\\ud800"'), 'MALFORMED'],
  ['a lone surrogate as a key', inside(sound, '"\\udc00":1'), 'MALFORMED'],
  ['1e400', inside(sound, '"a":1e400'), 'MALFORMED'],
  ['-0', inside(sound, '"a":-0'), 'MALFORMED'],
  ['an integer that a double cannot hold', inside(sound, '"a":9007199254740993'), 'MALFORMED'],
  ['a bare control character', inside(sound, '"a":"\n"'), 'MALFORMED'],
  ['40 levels', inside(sound, `"a":${nested(40)}`), 'MALFORMED'],
  ['100,000 levels', inside(sound, `"a":${nested(100_000)}`), 'MALFORMED'],
  ['100,000 levels, never closed', '['.repeat(100_000), 'MALFORMED'],
  ['a byte order mark', Buffer.from(`\ufeff${sound}`), 'MALFORMED'],
  ['invalid UTF-8', Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0xfe, 0xc0, 0x80]), Buffer.from('"}')]), 'MALFORMED'],
  ['UTF-16', Buffer.from(sound, 'utf16le'), 'MALFORMED'],
  ['300 KiB', inside(sound, `"a":"${'x'.repeat(300 * 1024)}"`), 'TOO_LARGE'],
];

/** Bodies that are JSON and no object. */
export const NO_OBJECTS = ['null', 'true', '1', '"text"', '[]', '[{}]'] as const;
