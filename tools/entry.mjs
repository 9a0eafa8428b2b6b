/** The image's entry: `node tools/entry.mjs <program>`. Everything is built already. */
const programs = {
  policy: '../apps/policy/dist/main.js',
  approvals: '../apps/approvals/dist/main.js',
  reservations: '../apps/reservations/dist/main.js',
  executor: '../apps/executor/dist/main.js',
  audit: '../apps/audit-projector/dist/main.js',
  'prepare-database': '../apps/standalone/dist/jobs/prepare-database.js',
  'create-topics': '../apps/standalone/dist/jobs/create-topics.js',
};
const name = process.argv[2] ?? '';
if (!Object.hasOwn(programs, name)) {
  console.error(`Name the program to run: ${Object.keys(programs).join(', ')}.`);
  process.exit(2);
}
await import(programs[name]);
