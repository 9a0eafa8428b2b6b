import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeWithKafka, startTestKafka, testKafkaStartMs, type TestKafka } from './index.js';

describeWithKafka('startTestKafka', () => {
  let kafka: TestKafka;
  beforeAll(async () => {
    kafka = await startTestKafka({ 'message.max.bytes': '2097152' });
  }, testKafkaStartMs);
  afterAll(() => kafka.stop());

  test('gives a broker on loopback with a process of its own', () => {
    expect(kafka.brokers).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(kafka.pid).toBeGreaterThan(1);
  });
});
