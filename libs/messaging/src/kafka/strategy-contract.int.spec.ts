import { ALL_TOPICS } from '@exequatur/contracts';
import { describeWithKafka, startTestKafka, startTestPostgres, testKafkaStartMs } from '@exequatur/testing';
import { onBusDatabase } from '../spec/bus-database.js';
import { runStrategyContract } from '../spec/strategy.contract.js';
import { kafkaTransport } from './kafka-transport.js';

describeWithKafka('Kafka', () =>
  runStrategyContract('Kafka', testKafkaStartMs, async () => {
    const [kafka, database] = await Promise.all([startTestKafka(), startTestPostgres().then(onBusDatabase)]);
    const transportOf = (service: string) => kafkaTransport({ brokers: [kafka.brokers], clientId: service, service });
    const administration = transportOf('administration');
    await administration.ensureTopics(ALL_TOPICS);
    await administration.close();
    return {
      database,
      transportOf,
      close: async () => {
        await database.close();
        await kafka.stop();
      },
    };
  }),
);
