import type { ServiceName } from '@exequatur/contracts';

export interface Bootstrap {
  /** Superuser's (or CREATEROLE + database owner's) connection string to the database that the services will use. */
  readonly adminUrl: string;
  /** Password of each service's role `exequatur_<service>`. */
  readonly passwords: Readonly<Record<ServiceName, string>>;
}

export declare const bootstrapDatabase: (bootstrap: Bootstrap) => Promise<void>;
