import { expect, test } from '@jest/globals';
import { pointerText, readPointer, replaceAtPointer } from './pointer.js';

/** The document and pointers of RFC 6901 section 5. */
const document = { foo: ['bar', 'baz'], '': 0, 'a/b': 1, 'c%d': 2, 'e^f': 3, 'g|h': 4, 'i\\j': 5, 'k"l': 6, ' ': 7, 'm~n': 8 };

test.each([
  ['', document],
  ['/foo', ['bar', 'baz']],
  ['/foo/0', 'bar'],
  ['/', 0],
  ['/a~1b', 1],
  ['/c%d', 2],
  ['/e^f', 3],
  ['/g|h', 4],
  ['/i\\j', 5],
  ['/k"l', 6],
  ['/ ', 7],
  ['/m~0n', 8],
])('reads %j', (pointer, expected) => {
  expect(readPointer(document, pointer)).toEqual(expected);
});

test.each(['foo', '/foo/2', '/foo/-', '/foo/00', '/foo/01', '/foo/length', '/foo/0/x', '/toString', '/__proto__', '/m~2n', '/m~'])('finds nothing at %j, and replaces nothing', (pointer) => {
  expect(readPointer(document, pointer)).toBeUndefined();
  expect(replaceAtPointer(document, pointer, 'x')).toBeUndefined();
});

test('replaces one value in a copy', () => {
  const before = { to: ['a', 'b'], amount: '9', keep: { deep: 1 } };
  const after = replaceAtPointer(before, '/to/1', 'c');
  expect(after).toEqual({ to: ['a', 'c'], amount: '9', keep: { deep: 1 } });
  expect(before.to).toEqual(['a', 'b']);
  expect(replaceAtPointer(before, '', null)).toBeNull();
});

test('writes a pointer from steps', () => {
  expect(pointerText(['a/b', 0, 'm~n'])).toBe('/a~1b/0/m~0n');
});
