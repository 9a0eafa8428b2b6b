import { describe, expect, test } from '@jest/globals';
import { argumentsIn, argumentsText, LONGEST_ARGUMENTS } from './arguments-field.js';

describe('arguments as JSON in a form', () => {
  test.each([
    ['{"a": 1}', { a: 1 }],
    ['{\r\n  "a": "x\\r\\ny"\r\n}', { a: 'x\r\ny' }],
  ])('%j is read', (text, value) => {
    expect(argumentsIn(text)).toEqual({ value });
  });

  test.each([
    ['', 'Write the arguments as JSON.'],
    ['{\r\n  "amount": 1,\r\n  oops\r\n}', 'Line 3, column 3: this is not JSON here.'],
    ['{"a": 1', 'Line 1, column 8: this is not JSON here.'],
    ['{\n  "a": 1,\n  "a": 2\n}', 'Line 3, column 3: this name stands here twice.'],
    ['{\n  "a": 12345678901234567890\n}', 'Line 2, column 8: this number would lose digits; write it as text.'],
    ['{"__proto__": 1}', 'Line 1, column 2: this name is not allowed.'],
    ['"\\ud800"', 'Line 1, column 1: this is half a character.'],
    [`${'['.repeat(40)}${']'.repeat(40)}`, 'Line 1, column 33: this is nested too deeply.'],
    [`"${'x'.repeat(LONGEST_ARGUMENTS)}"`, 'Use at most 60000 characters here; longer arguments are sent over the API.'],
  ])('%# is refused, with its line', (text, fault) => {
    expect(argumentsIn(text)).toEqual({ fault });
  });

  test('what a reader cannot see stands there as an escape, and is the same value again', () => {
    const value = { note: 'a\u202eb\u200b\u007f\u{e0041}é😀', 'k\ufeffey': ['\n\t\\u200b', '\ud83d'] };
    const text = argumentsText(value);
    expect(text).not.toMatch(/[\u202e\u200b\u007f\ufeff]|\u{e0041}/u);
    expect(text).toContain('é😀');
    expect(JSON.parse(text)).toEqual(value);
    expect(argumentsText({ a: 1 })).toBe('{\n  "a": 1\n}');
  });
});
