export { startTestPostgres, type TestDatabase, type TestPostgres, type TestPostgresOptions } from './test-postgres.js';
export { startTestKafka, testKafkaStartMs, type TestKafka } from './test-kafka.js';
export { describeWithKafka } from './kafka-suite.js';
export { describeWithFaults, faketimeLibrary, type FaultTool } from './fault-suite.js';
export { describeWithBrowser, launchBrowser } from './browser-suite.js';
export { specFor, type Decider, type Expectation, type Spec } from './given-when-then.js';
export { sourceLoader } from './source-loader.js';
export { KeyServer } from './key-server.js';
export { Racers, type RaceMessage, type RaceReport } from './racers.js';
