import { expect, test } from '@jest/globals';
import { mayBeReached } from './send-webhook.js';
import { webhookHeaders } from './sign-webhook.js';

test('the published example of the specification', () =>
  expect(webhookHeaders('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1614265330, '{"test": 2432232314}')).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  }));

test.each(['127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255', '::1', '::', 'fc00::1', 'fe80::1', 'ff02::1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '64:ff9b::a00:1', '2002:a00:1::'])('%s is not for webhooks', (address) => expect(mayBeReached(address, false)).toBe(false));
test.each(['8.8.8.8', '1.1.1.1', '2606:4700::1111'])('%s is', (address) => expect(mayBeReached(address, false)).toBe(true));
test('a private range where the operator says so; never where clouds hand out credentials', () => {
  expect(mayBeReached('10.1.2.3', true)).toBe(true);
  expect(mayBeReached('::ffff:127.0.0.1', true)).toBe(true);
  for (const address of ['169.254.169.254', '::ffff:169.254.169.254', 'fd00:ec2::254', 'not an address']) expect(mayBeReached(address, true)).toBe(false);
});
