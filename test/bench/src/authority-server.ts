import { ServiceHost } from './service-host.js';
import type { HostedService } from './service-host.js';

/** Instances of reservations on one PostgreSQL (fsync and synchronous_commit on), and policy for as long as grants are made. */
export interface AuthorityServer {
  readonly urls: { readonly policy: string; readonly reservations: readonly string[] };
  readonly adminToken: string;
  readonly databaseUrl: string;
  /** process ids of the instances, and of the postmaster */
  readonly pids: { readonly reservations: readonly number[]; readonly postgres: number };
  /** From here on nothing runs beside the authority and its database. */
  stopPolicy(): Promise<void>;
  stop(): Promise<void>;
}

export const startAuthorityServer = async (instances: number): Promise<AuthorityServer> => {
  const host = await ServiceHost.start();
  const policy = await host.service('policy');
  const reservations: HostedService[] = [];
  for (let nth = 0; nth < instances; nth += 1) reservations.push(await host.service('reservations'));
  return {
    urls: { policy: policy.url, reservations: reservations.map(({ url }) => url) },
    adminToken: host.secrets.adminToken,
    databaseUrl: host.databaseUrl('reservations'),
    pids: { reservations: reservations.map(({ child }) => child.pid ?? 0), postgres: host.postgres.pid },
    stopPolicy: () => host.end(policy.child),
    stop: () => host.stop(),
  };
};
