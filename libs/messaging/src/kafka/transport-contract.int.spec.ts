import { randomUUID } from 'node:crypto';
import type { Topic } from '@exequatur/contracts';
import { describeWithKafka, startTestKafka, testKafkaStartMs } from '@exequatur/testing';
import { runTransportContract } from '../spec/transport.contract.js';
import { kafkaTransport } from './kafka-transport.js';

describeWithKafka('Kafka', () =>
  runTransportContract('Kafka', testKafkaStartMs, async () => {
    const kafka = await startTestKafka();
    const options = { brokers: [kafka.brokers], clientId: 'policy', service: 'policy', sessionTimeoutMs: 6_000 };
    const administration = kafkaTransport(options);
    return {
      recipe: { kind: 'kafka', options },
      makeReplaceable: () => kafkaTransport(options),
      make: () => kafkaTransport(options),
      createTopic: async (partitions) => {
        const topic: Topic = { name: `exequatur.spec-${randomUUID()}.v1`, owner: 'policy', partitions };
        await administration.ensureTopics([topic]);
        return topic;
      },
      takeOverMs: 6_000,
      outage: () => {
        kafka.kill();
        return Promise.resolve({ end: () => kafka.restart() });
      },
      close: async () => {
        await administration.close();
        await kafka.stop();
      },
    };
  }),
);
