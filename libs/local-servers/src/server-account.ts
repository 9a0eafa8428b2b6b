import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The account a server runs under, when it is not the current one. */
export type ServerAccount = { name: string; uid: number; gid: number };

/** PostgreSQL refuses root and looks its user up in the passwd file, so root borrows one of these. */
const borrowed = ['postgres', 'nobody'];

/** The account to run PostgreSQL as: undefined for "the current one", which is right for everybody but root. */
export const serverAccount = (): ServerAccount | undefined => {
  if (process.getuid?.() !== 0) return undefined;
  const entries = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'));
  for (const name of borrowed) {
    const entry = entries.find((fields) => fields[0] === name);
    if (entry !== undefined) return { name, uid: Number(entry[2]), gid: Number(entry[3]) };
  }
  return undefined;
};

/** Options for node:child_process; libuv drops root's supplementary groups when a uid is given. */
export const runAs = (account: ServerAccount | undefined): { uid?: number; gid?: number } =>
  account === undefined ? {} : { uid: account.uid, gid: account.gid };

/** Whether the account can read and enter a directory, found out by trying: modes, ACLs and mounts all count. */
export const canEnter = (account: ServerAccount | undefined, directory: string): boolean =>
  spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', directory], { cwd: '/', stdio: 'ignore', ...runAs(account) }).status === 0;

let deathSignalWorks: boolean | undefined;

/**
 * The command line that makes the kernel send `signal` to a server when the thread that spawned it dies, even by kill -9.
 * Where util-linux' setpriv is missing the command is run plain: an orphan is then found at the next start.
 */
export const endWithParent = (signal: 'INT' | 'TERM', command: string, args: readonly string[]): [string, string[]] => {
  deathSignalWorks ??= spawnSync('setpriv', ['--pdeathsig', 'TERM', 'true'], { stdio: 'ignore' }).status === 0;
  return deathSignalWorks ? ['setpriv', ['--pdeathsig', signal, '--', command, ...args]] : [command, [...args]];
};
