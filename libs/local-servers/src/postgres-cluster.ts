import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DataDirectoryUnwritable, ServerDidNotStart } from './local-server-errors.js';
import { runAs, type ServerAccount } from './server-account.js';

/** Name of the superuser that every embedded cluster has. */
export const superuser = 'postgres';

const passwordFile = (home: string): string => join(home, 'superuser-password');

const own = (path: string, account: ServerAccount | undefined): void => {
  if (account !== undefined) chownSync(path, account.uid, account.gid);
};

const ownTree = (directory: string, account: ServerAccount | undefined): void => {
  if (account === undefined) return;
  own(directory, account);
  for (const entry of readdirSync(directory, { recursive: true, encoding: 'utf8' })) own(join(directory, entry), account);
};

const initdb = (binaries: string, account: ServerAccount | undefined, cluster: string, pwfile: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const args = ['-D', cluster, '-U', superuser, '--auth=scram-sha-256', `--pwfile=${pwfile}`, '--encoding=UTF8', '--locale=C', '--no-instructions'];
    const child = spawn(join(binaries, 'bin', 'initdb'), args, { cwd: '/', stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' }, ...runAs(account) });
    let complaints = '';
    child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
    child.once('error', (error) => reject(new ServerDidNotStart('initdb', error.message)));
    child.once('close', (code) => (code === 0 ? resolve() : reject(new ServerDidNotStart('initdb', complaints))));
  });

/** Creates under a temporary name and renames, so a start that was cut short leaves nothing that looks like a cluster. */
const create = async (home: string, binaries: string, account: ServerAccount | undefined): Promise<void> => {
  const unfinished = join(home, 'cluster.unfinished');
  const pwfile = join(home, 'initdb-password');
  rmSync(unfinished, { recursive: true, force: true });
  rmSync(pwfile, { force: true });
  const password = randomBytes(24).toString('base64url');
  writeFileSync(passwordFile(home), password, { mode: 0o600 });
  mkdirSync(unfinished, { mode: 0o700 });
  own(unfinished, account);
  writeFileSync(pwfile, password, { mode: 0o600 });
  own(pwfile, account);
  try {
    await initdb(binaries, account, unfinished, pwfile);
  } finally {
    rmSync(pwfile, { force: true });
  }
  renameSync(unfinished, join(home, 'cluster'));
};

const copyTemplate = (template: string, home: string, account: ServerAccount | undefined): void => {
  const unfinished = join(home, 'cluster.unfinished');
  rmSync(unfinished, { recursive: true, force: true });
  cpSync(join(template, 'cluster'), unfinished, { recursive: true });
  ownTree(unfinished, account);
  writeFileSync(passwordFile(home), readFileSync(passwordFile(template)), { mode: 0o600 });
  renameSync(unfinished, join(home, 'cluster'));
};

const keepTemplate = (home: string, template: string): void => {
  const unfinished = `${template}.${process.pid}`;
  mkdirSync(dirname(template), { recursive: true });
  mkdirSync(unfinished, { mode: 0o700 });
  cpSync(join(home, 'cluster'), join(unfinished, 'cluster'), { recursive: true });
  cpSync(passwordFile(home), passwordFile(unfinished));
  try {
    renameSync(unfinished, template);
  } catch {
    // Another process kept one first.
    rmSync(unfinished, { recursive: true, force: true });
  }
};

/**
 * Makes sure `home` holds an initialised cluster and returns the superuser's password. With `template`, a cluster copied
 * from an earlier one is used where there is one, and kept for the next time where there is none: copies share their
 * password and system identifier, so this is for tests only.
 * @throws ServerDidNotStart when initdb fails; DataDirectoryUnwritable when a cluster lost its password file
 */
export const ensureCluster = async (
  home: string, binaries: string, account: ServerAccount | undefined, template: string | undefined, log: (line: string) => void,
): Promise<string> => {
  if (!existsSync(join(home, 'cluster'))) {
    if (template !== undefined && existsSync(template)) {
      copyTemplate(template, home, account);
    } else {
      log('creating the database');
      await create(home, binaries, account);
      if (template !== undefined) keepTemplate(home, template);
    }
  }
  if (!existsSync(passwordFile(home))) throw new DataDirectoryUnwritable(home, 'its superuser-password file is missing');
  return readFileSync(passwordFile(home), 'utf8').trim();
};
