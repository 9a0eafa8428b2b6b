import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeNeeding } from './needing-suite.js';

/** What a fault is made with, besides Node. */
export type FaultTool = 'strace' | 'libfaketime' | 'tmpfs';

/** The library to preload, where Debian's packages put it. */
export const faketimeLibrary = (): string | undefined => {
  const multiarch = existsSync('/usr/lib') ? readdirSync('/usr/lib').filter((name) => name.includes('linux-gnu')) : [];
  return [...multiarch.map((name) => `/usr/lib/${name}/faketime/libfaketime.so.1`), '/usr/lib/faketime/libfaketime.so.1'].find((path) => existsSync(path));
};

const succeeds = (command: string, args: readonly string[]): boolean => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** Rights are found out by trying: attaching may be forbidden, and mounting to root in a container too. */
const missing: Readonly<Record<FaultTool, () => string | undefined>> = {
  strace: () => (!succeeds('strace', ['-V']) ? 'strace' : succeeds('strace', ['-o', '/dev/null', '-e', 'trace=none', 'true']) ? undefined : 'the right to trace processes'),
  libfaketime: () => (faketimeLibrary() === undefined ? 'libfaketime' : undefined),
  tmpfs: () => {
    if (process.getuid?.() !== 0) return 'root, to mount a small tmpfs';
    const place = mkdtempSync(join(tmpdir(), 'exequatur-tmpfs-'));
    try {
      return succeeds('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', place]) && succeeds('umount', [place]) ? undefined : 'the right to mount a tmpfs';
    } finally {
      rmdirSync(place);
    }
  },
};

/**
 * `describe` for fault scenarios that need tools or rights of the machine. Without them one test stands in for the suite and
 * names it; with EXEQUATUR_REQUIRE_FAULTS=1 that test fails instead.
 */
export const describeWithFaults = (tools: readonly FaultTool[], name: string, body: () => void): void => {
  const lacking = tools.flatMap((tool) => missing[tool]() ?? []);
  describeNeeding(lacking.length === 0 ? undefined : lacking.join(' and '), 'EXEQUATUR_REQUIRE_FAULTS', name, body);
};
