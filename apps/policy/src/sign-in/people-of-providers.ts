import { Injectable } from '@nestjs/common';
import { EligibilityChanged, PersonLinked, streamKey } from '@exequatur/contracts';
import type { EventDefinition, StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { accountOf, Database, Directory, personNameOf, problem, projectDirectory, rolesOf, tenantOf } from '@exequatur/service-kit';
import type { ProvenToken } from '@exequatur/service-kit';

export interface KnownPerson {
  readonly tenant: string;
  readonly person: string;
  readonly roles: readonly string[];
}

interface Identity {
  readonly tenant: string;
  readonly account: string;
  /** as claims have it; undefined where an administrator decides */
  readonly claimed?: { readonly name: string | undefined; readonly roles: readonly string[] };
}

/** The people that identity providers vouch for. What claims say becomes a fact only where it differs from the directory. */
@Injectable()
export class PeopleOfProviders {
  constructor(
    private readonly store: PgEventStore,
    private readonly database: Database,
    private readonly directory: Directory,
  ) {}

  /** @throws Problem UNAUTHENTICATED, FORBIDDEN for somebody without an account or a role, CONFLICT when the name is another's */
  async bringUpToDate(proven: ProvenToken): Promise<KnownPerson> {
    const identity = identityIn(proven);
    const { tenant, account, claimed } = identity;
    const known = await this.directory.holderOf(tenant, account);
    if (known?.type === 'agent') return problem('FORBIDDEN', 'only people sign in');
    if (known === undefined) return this.link(identity);
    if (claimed === undefined || sameRoles(known.roles, claimed.roles)) return { tenant, person: known.id, roles: known.roles };
    await this.record(tenant, known.id, (version) => (version === 0 ? problem('NOT_FOUND') : [EligibilityChanged, { person: known.id, roles: claimed.roles }]));
    return { tenant, person: known.id, roles: claimed.roles };
  }

  private async link({ tenant, account, claimed }: Identity): Promise<KnownPerson> {
    if (claimed === undefined) return problem('FORBIDDEN', 'this account is linked to nobody: ask an administrator');
    const { name, roles } = claimed;
    if (name === undefined || roles.length === 0) return problem('FORBIDDEN', 'this account has no role here: ask an administrator');
    await this.record(tenant, name, async (version, tx) => {
      const own = await tx.query('SELECT FROM directory_account WHERE tenant = $1 AND subject = $2 AND person = $3', [tenant, account, name]);
      // The same person, signing in twice at once.
      if (own.rowCount !== 0) return undefined;
      // Whoever is called so already is somebody else, until an administrator links the two accounts.
      if (version > 0) return problem('CONFLICT', 'another account has this name: ask an administrator to link them');
      const exists = await tx.query('SELECT FROM directory_tenant WHERE tenant = $1', [tenant]);
      if (exists.rowCount === 0) return problem('FORBIDDEN', 'no such tenant');
      const taken = await tx.query('SELECT FROM directory_account WHERE tenant = $1 AND subject = $2', [tenant, account]);
      return taken.rowCount === 0 ? [PersonLinked, { person: name, subject: account, roles }] : problem('CONFLICT', 'this account is linked already');
    });
    return { tenant, person: name, roles };
  }

  private async record(tenant: string, person: string, decide: (version: number, tx: PgTransaction) => Fact | Promise<Fact | undefined>): Promise<void> {
    const stream: StreamId = { tenant, aggregate: 'person', id: person };
    await this.store.transact({ streams: [stream] }, async (tx) => {
      const version = (await this.store.versions(tx, [stream])).get(streamKey(stream)) ?? 0;
      const fact = await decide(version, tx);
      if (fact === undefined) return;
      const [definition, data] = fact;
      const [recorded] = await this.store.append(tx, [{ stream, expectedVersion: version, events: [{ definition, data, actor: { type: 'person', id: person } }] }]);
      if (recorded !== undefined) await projectDirectory(tx, recorded.envelope);
    });
    this.directory.forget();
  }
}

type Fact = readonly [EventDefinition, object];

const identityIn = ({ provider, claims }: ProvenToken): Identity => {
  const tenant = tenantOf(provider, claims);
  const account = accountOf(provider.issuer, claims.sub);
  // A token with an actor is in a program's hands.
  if (tenant === undefined || account === undefined || claims['act'] !== undefined) return problem('UNAUTHENTICATED');
  return { tenant, account, ...(provider.people === undefined ? {} : { claimed: { name: personNameOf(provider, claims), roles: rolesOf(provider, claims) } }) };
};

const sameRoles = (have: readonly string[], claimed: readonly string[]): boolean => have.length === claimed.length && [...have].sort().every((role, index) => role === claimed[index]);
