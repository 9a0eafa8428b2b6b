export { startTestPostgres, type TestDatabase, type TestPostgres, type TestPostgresOptions } from './test-postgres.js';
export { specFor, type Decider, type Expectation, type Spec } from './given-when-then.js';
