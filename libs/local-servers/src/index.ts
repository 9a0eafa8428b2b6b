export * from './local-server-errors.js';
export { startEmbeddedPostgres, type EmbeddedPostgres, type EmbeddedPostgresOptions } from './embedded-postgres.js';
export { removePostgresData } from './postgres-home.js';
export { startLocalKafka, type LocalKafka, type LocalKafkaOptions } from './kafka.js';
export { defaultKafkaCache, ensureKafkaJars, kafkaPrerequisite } from './kafka-jars.js';
