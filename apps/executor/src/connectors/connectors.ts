import { Inject, Injectable } from '@nestjs/common';
import type { Tool } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { openBytes, sealBytes } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { Database, KEY_STORE } from '@exequatur/service-kit';
import { Connector, connectorId, credentialPlace } from './connector.js';
import type { Credential, HttpSettings, SmtpSettings } from './connector.js';

export interface Configured {
  readonly tenant: string;
  readonly tool: Tool;
  readonly type: 'http' | 'smtp';
  readonly settings: HttpSettings | SmtpSettings;
  /** Undefined: none; what was there before goes. */
  readonly credential?: Credential;
  readonly configuredBy: string;
}

/** For one call, in memory only. */
export type OpenConnector = ({ readonly type: 'http'; readonly settings: HttpSettings } | { readonly type: 'smtp'; readonly settings: SmtpSettings }) & { readonly credential?: Credential };

/** The connectors of all tenants. A credential is at rest only encrypted, and only `open` gives it out. */
@Injectable()
export class Connectors {
  constructor(
    private readonly database: Database,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  /** Sets or replaces the connector of a tool version. */
  async configure(tx: PgTransaction, { tenant, tool, type, settings, credential, configuredBy }: Configured): Promise<void> {
    const id = connectorId(tenant, tool);
    const sealed = credential === undefined ? null : sealBytes(await this.keys.createActionKey(tenant, id, tx), credentialPlace(tenant, id), Buffer.from(JSON.stringify(credential), 'utf8'));
    await tx.query(
      `INSERT INTO connector (connector_id, tenant, tool_name, tool_version, type, settings, credential, configured_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
       ON CONFLICT (connector_id) DO UPDATE SET type = excluded.type, settings = excluded.settings, credential = excluded.credential,
         configured_by = excluded.configured_by, configured_at = excluded.configured_at`,
      [id, tenant, tool.name, tool.version, type, JSON.stringify(settings), sealed, configuredBy],
    );
    // Whoever can be asked now may know what nobody could be asked before.
    await tx.query("UPDATE execution SET ask_at = clock_timestamp(), asks = 0 WHERE tenant = $1 AND tool_name = $2 AND tool_version = $3 AND status = 'unknown'", [tenant, tool.name, tool.version]);
  }

  /** Without credentials; in the order of their ids, after `after`. */
  list(tenant: string, after: string | undefined, size: number): Promise<readonly Connector[]> {
    const query = this.database.dataSource
      .getRepository(Connector)
      .createQueryBuilder('c')
      .where('c.tenant = :tenant', { tenant })
      .orderBy('c.connectorId')
      .limit(size);
    return (after === undefined ? query : query.andWhere('c.connectorId > :after', { after })).getMany();
  }

  /** Which of these have a credential. */
  async withCredential(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const { rows } = await this.database.query<{ connector_id: string }>('SELECT connector_id FROM connector WHERE connector_id = ANY ($1::uuid[]) AND credential IS NOT NULL', [ids]);
    return new Set(rows.map(({ connector_id }) => connector_id));
  }

  /** Undefined: nobody configured this tool version. @throws Error when the credential cannot be opened */
  async open(tenant: string, tool: Tool): Promise<OpenConnector | undefined> {
    const id = connectorId(tenant, tool);
    const found = await this.database.dataSource.getRepository(Connector).createQueryBuilder('c').addSelect('c.credential').where('c.connectorId = :id', { id }).getOne();
    if (found === null || found.tenant !== tenant) return undefined;
    const credential = found.credential === null || found.credential === undefined ? {} : { credential: await this.openCredential(tenant, id, found.credential) };
    return { type: found.type, settings: found.settings, ...credential } as OpenConnector;
  }

  private async openCredential(tenant: string, id: string, sealed: Buffer): Promise<Credential> {
    const key = await this.keys.actionKey(tenant, id);
    if (key === undefined) throw new Error(`the data key of connector ${id} is gone`);
    return JSON.parse(openBytes(key, credentialPlace(tenant, id), sealed).toString('utf8')) as Credential;
  }
}
