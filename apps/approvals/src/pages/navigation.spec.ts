import { expect, test } from '@jest/globals';
import { loginPathFor, ownPath } from './navigation.js';

test.each([
  ['/approvals/01890000-0000-7000-8000-000000000002', '/approvals/01890000-0000-7000-8000-000000000002'],
  ['/queue?kind=payment.refund', '/queue?kind=payment.refund'],
  [undefined, '/queue'],
  ['', '/queue'],
  ['https://evil.example', '/queue'],
  ['//evil.example', '/queue'],
  ['/\\evil.example', '/queue'],
  ['/a\\b', '/queue'],
  ['/.//evil.example', '/queue'],
  ['/%0d%0aset-cookie:x', '/%0d%0aset-cookie:x'],
  ['/a\r\nlocation: x', '/queue'],
  ['javascript:alert(1)', '/queue'],
  ['/a b', '/queue'],
])('from %p one goes to %p', (wanted, path) => expect(ownPath(wanted)).toBe(path));

test('the way to sign in remembers where one was going', () => expect(loginPathFor('/approvals/1?x=1')).toBe('/login?next=%2Fapprovals%2F1%3Fx%3D1'));
