import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Credentials } from '@exequatur/standalone';

const root = join(import.meta.dirname, '..', '..');

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Program {
  readonly child: ChildProcess;
  readonly output: { stdout: string; stderr: string };
  readonly ended: Promise<Ended>;
}

/** Starts a built program as a user would: its own process, its own environment. */
export const start = (entry: string, args: readonly string[], environment: Record<string, string> = {}): Program => {
  const child = spawn(process.execPath, [join(root, entry), ...args], { cwd: root, env: { ...process.env, NODE_OPTIONS: '', ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  const ended = new Promise<Ended>((resolve) => child.once('close', (code, signal) => resolve({ code, signal, ...output })));
  return { child, output, ended };
};

export interface RunningStandalone {
  readonly origin: string;
  readonly dataDir: string;
  readonly credentials: Credentials;
  readonly adminToken: string;
  readonly program: Program;
  /** SIGINT, as Ctrl-C; resolves when it has ended */
  interrupt(): Promise<Ended>;
}

const READY_WITHIN_MS = 180_000;

/** `npm start` on a directory, on a free port. */
export const startStandalone = async (dataDir: string, args: readonly string[] = [], environment: Record<string, string> = {}): Promise<RunningStandalone> => {
  const program = start('apps/standalone/dist/main.js', ['--port', '0', '--data-dir', dataDir, ...args], environment);
  const deadline = Date.now() + READY_WITHIN_MS;
  const failed = program.ended.then((ended) => Promise.reject(new Error(`standalone ended with ${ended.code}: ${ended.stderr}`)));
  failed.catch(() => undefined);
  const origin = await Promise.race([
    failed,
    (async (): Promise<string> => {
      for (;;) {
        const found = /HTTP surface\s+(http:\S+)/.exec(program.output.stdout)?.[1];
        if (found !== undefined) return found;
        if (Date.now() > deadline) throw new Error(`standalone was not ready in ${READY_WITHIN_MS} ms: ${program.output.stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })(),
  ]);
  return {
    origin,
    dataDir,
    program,
    credentials: JSON.parse(readFileSync(join(dataDir, 'credentials.json'), 'utf8')) as Credentials,
    adminToken: readFileSync(join(dataDir, 'secrets', 'admin-token'), 'utf8'),
    interrupt: () => {
      program.child.kill('SIGINT');
      return program.ended;
    },
  };
};

/** A directory that is removed afterwards; below the system's temporary directory, which PostgreSQL's account can enter. */
export const temporaryDirectory = (): { path: string; remove: () => void } => {
  const path = mkdtempSync(join(tmpdir(), 'exequatur-e2e-'));
  chmodSync(path, 0o711);
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
};
