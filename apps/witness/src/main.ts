#!/usr/bin/env node
import { run } from './cli/run.js';

const { exitCode, serving } = await run(process.argv.slice(2), { out: (text) => process.stdout.write(text), err: (text) => process.stderr.write(text) });
process.exitCode = exitCode;
if (serving !== undefined) for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void serving.stop());
