/** Over which transport the suites run that mean both: PostgreSQL, or Kafka with `npm run faults -- --topology kafka` (EXEQUATUR_TOPOLOGY). */
export const TRANSPORT: 'postgres' | 'kafka' = process.env['EXEQUATUR_TOPOLOGY'] === 'kafka' ? 'kafka' : 'postgres';
