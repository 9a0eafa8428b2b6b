import { readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ServerDidNotStart } from './local-server-errors.js';
import { postgresProcesses, signalProcess, waitUntil } from './process-table.js';

/** Fast shutdown (checkpoint), immediate shutdown (recovery at the next start), kill. */
const escalation: readonly [NodeJS.Signals, number][] = [['SIGINT', 5_000], ['SIGQUIT', 3_000], ['SIGKILL', 3_000]];

const recordedPid = (cluster: string): number | undefined => {
  try {
    const pid = Number(readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n')[0]);
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
};

/**
 * Ends a server that outlived the process that started it. The caller holds the directory's lock, so no live owner exists.
 * The pid file is removed once no PostgreSQL process runs on the directory: its pid may by now be a zombie or belong to
 * another program, and PostgreSQL would refuse to start in both cases.
 * @throws ServerDidNotStart when the orphan survives SIGKILL
 */
export const endOrphan = async (clusterDirectory: string, log: (line: string) => void): Promise<void> => {
  const cluster = realpathSync(clusterDirectory);
  const recorded = recordedPid(cluster);
  const running = (): number[] => postgresProcesses(cluster, recorded);
  const orphans = running();
  if (orphans.length > 0) {
    const postmaster = recorded !== undefined && orphans.includes(recorded) ? [recorded] : orphans;
    log(`ending a PostgreSQL server left over from an earlier run (process ${postmaster.join(', ')})`);
    for (const [signal, waitMs] of escalation) {
      // Backends end with their postmaster; only SIGKILL, which it cannot pass on, goes to each of them.
      for (const pid of signal === 'SIGKILL' ? running() : postmaster) signalProcess(pid, signal);
      if (await waitUntil(() => running().length === 0, waitMs)) break;
    }
    if (running().length > 0) throw new ServerDidNotStart('PostgreSQL', `process ${running().join(', ')} still uses ${cluster}`);
  }
  rmSync(join(cluster, 'postmaster.pid'), { force: true });
};
