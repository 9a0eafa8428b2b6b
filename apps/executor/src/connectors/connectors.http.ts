import { Controller, Get, Post } from '@nestjs/common';
import { anything, list, name, object, oneOf, optional, text, tool, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { actingTenant, Allow, Answer, Caller, decodeCursor, Describe, Http, IdempotentRequests, pageFields, pageOf, pageSize, principalName, problem, shaped, ShapedBody, ShapedQuery } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { Egress } from '../egress/egress.js';
import { checkCredential, checkSettings } from './check-settings.js';
import { connectorShape, hostOf } from './connector.js';
import type { Connector } from './connector.js';
import { Connectors } from './connectors.js';

/** Shapes of `settings` and `credential` hang on `type`: see httpSettings, smtpSettings, credentialShape. */
const configureShape = object({ tenant: optional(name()), tool, type: oneOf('http', 'smtp'), settings: anything(), credential: optional(anything()) });
const listShape = object({ ...pageFields, tenant: optional(name()) });
const pageShape = object({ items: list(connectorShape, 200), next_cursor: optional(text(500)) });

/** Never shows a credential, only whether there is one. */
const shown = (connector: Pick<Connector, 'tenant' | 'toolName' | 'toolVersion' | 'type' | 'settings' | 'configuredBy'>, hasCredential: boolean) => ({
  tenant: connector.tenant,
  tool: { name: connector.toolName, version: connector.toolVersion },
  type: connector.type,
  settings: connector.settings,
  has_credential: hasCredential,
  configured_by: connector.configuredBy,
});

@Controller('v1/connectors')
export class ConnectorsHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly connectors: Connectors,
    private readonly egress: Egress,
  ) {}

  @Post()
  @Allow('person:operator', 'root')
  @Describe({ summary: 'Says how a tool version is reached, and with which credential; replaces what was said before.', body: configureShape, answers: { 201: connectorShape }, codes: ['INVALID'] })
  configure(@Http() request: HttpRequest, @Caller() principal: Principal, @ShapedBody(configureShape) body: Shape<typeof configureShape>): Promise<Answer> {
    const tenant = actingTenant(principal, body.tenant);
    const settings = checkSettings(body.type, body.settings);
    const credential = body.credential === undefined ? {} : { credential: checkCredential(body.type, body.credential) };
    const configuredBy = principalName(principal);
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'configure-connector',
      locks: { streams: [] },
      work: async (tx) => {
        // A name is judged whenever it is used; an address can be judged now, while somebody is there to read why.
        if (this.egress.refusesLiteral(hostOf(body.type, settings), settings.private_networks ?? [])) return problem('INVALID', undefined, [{ pointer: '/settings/private_networks', expected: 'to name the address, which is outside the public internet, as far as this installation opens it' }]);
        await this.connectors.configure(tx, { tenant, tool: body.tool, type: body.type, settings, configuredBy, ...credential });
        return { status: 201, body: shown({ tenant, toolName: body.tool.name, toolVersion: body.tool.version, type: body.type, settings, configuredBy }, body.credential !== undefined) };
      },
    });
  }

  @Get()
  @Allow('person:operator', 'person:admin', 'person:auditor', 'root')
  @Describe({ summary: 'The connectors, without their credentials.', query: listShape, answers: { 200: pageShape } })
  async list(@ShapedQuery(listShape) query: Shape<typeof listShape>, @Caller() principal: Principal): Promise<unknown> {
    const tenant = actingTenant(principal, query.tenant);
    const after = query.cursor === undefined ? undefined : shaped(uuid(), decodeCursor(query.cursor));
    const size = pageSize(query.limit);
    const found = await this.connectors.list(tenant, after, size + 1);
    const sealed = await this.connectors.withCredential(found.map(({ connectorId }) => connectorId));
    return pageOf(found, size, ({ connectorId }) => connectorId, (each) => ({ ...shown(each, sealed.has(each.connectorId)), configured_at: each.configuredAt.toISOString() }));
  }
}
