import { describe, expect, test } from '@jest/globals';
import { isSignedBySlack, slackSignature } from './slack-signature.js';

const SECRET = '8f742231b10e8888abcd99yyyzzz85a5';
const AT = 1_531_420_618;
const BODY = Buffer.from(
  'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
);
const signed = { timestamp: String(AT), signature: 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503', body: BODY };

describe('the signature of Slack', () => {
  test('the published example', () => {
    expect(slackSignature(SECRET, String(AT), BODY)).toBe(signed.signature);
    expect(isSignedBySlack(SECRET, signed, AT)).toBe(true);
  });
  test.each([
    ['another secret', 'x', signed, AT],
    ['another body', SECRET, { ...signed, body: Buffer.from('payload=') }, AT],
    ['another moment', SECRET, { ...signed, timestamp: String(AT + 1) }, AT],
    ['older than five minutes', SECRET, signed, AT + 301],
    ['from the future', SECRET, signed, AT - 301],
    ['no timestamp', SECRET, { ...signed, timestamp: undefined }, AT],
    ['no signature', SECRET, { ...signed, signature: undefined }, AT],
    ['another version', SECRET, { ...signed, signature: signed.signature.replace('v0', 'v1') }, AT],
    ['a timestamp that is none', SECRET, { ...signed, timestamp: 'NaN' }, AT],
  ])('refuses %s', (_, secret, request, now) => expect(isSignedBySlack(secret, request, now)).toBe(false));
  test('five minutes either way are borne', () => {
    expect(isSignedBySlack(SECRET, signed, AT + 300)).toBe(true);
    expect(isSignedBySlack(SECRET, signed, AT - 300)).toBe(true);
  });
});
