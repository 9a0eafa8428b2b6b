#!/usr/bin/env node
import { createInterface } from 'node:readline/promises';
import { run } from './run.js';

const ask = async (question: string): Promise<string> => {
  const line = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await line.question(question);
  } finally {
    line.close();
  }
};

// `exequatur replay | head`: who reads no more has read enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

process.exitCode = await run(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  env: process.env,
  ...(process.stdin.isTTY ? { ask } : {}),
});
