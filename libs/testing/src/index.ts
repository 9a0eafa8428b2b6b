export { startTestPostgres, type TestDatabase, type TestPostgres, type TestPostgresOptions } from './test-postgres.js';
