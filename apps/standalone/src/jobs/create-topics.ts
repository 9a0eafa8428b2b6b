import { ALL_TOPICS } from '@exequatur/contracts';
import { kafkaTransport } from '@exequatur/messaging';

/** One-shot job: every topic of contracts on the Kafka of KAFKA_BROKERS, with its fixed partitions. What exists is left as it is. */
const brokers = process.env['KAFKA_BROKERS'];
if (brokers === undefined) {
  console.error('KAFKA_BROKERS is needed.');
  process.exit(1);
}
const transport = kafkaTransport({ brokers: brokers.split(','), clientId: 'exequatur-create-topics', service: 'policy' });
try {
  await transport.ensureTopics(ALL_TOPICS);
  console.log(`${ALL_TOPICS.length} topics are there.`);
} finally {
  await transport.close();
}
