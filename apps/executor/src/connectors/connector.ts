import { anything, count, list, name, object, oneOf, optional, record, text, truth } from '@exequatur/contracts';
import type { Schema, Shape } from '@exequatur/contracts';
import { derivedId } from '@exequatur/kernel';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** RFC 6901, into the arguments or into a tool's answer. */
const pointer = (): Schema<string> => text(500);

/** Where the arguments hold what caps bound; `amounts` by currency (`USD`) or unit. */
const extractors = object({ recipients: optional(list(pointer(), 20)), amounts: optional(record(pointer(), 20)), rows: optional(pointer()), model: optional(pointer()) });

const queryMatch = object({ status: list(count(599), 20), pointer: optional(pointer()), values: optional(list(text(200), 50)), absent: optional(truth()) });

/** How the tool is asked what became of an effect key: GET `url` with `{effect_key}` in it, and what its answers mean. */
export const outcomeQuery = object({ url: text(2_000), executed: queryMatch, not_executed: optional(queryMatch), effect_key: optional(pointer()), provider_request_id: optional(pointer()) });
export type OutcomeQuery = Shape<typeof outcomeQuery>;

/** What every connector may say. */
const everyConnector = {
  /** addresses outside the public internet that it may connect to; CIDR */
  private_networks: optional(list(text(60), 20)),
  /** executions at the same time, by one instance of the executor */
  max_concurrency: optional(count(200)),
  /** what it reaches: production, staging … */
  environment: optional(name()),
};

/** `POST` to a URL with exactly the granted bytes as its body. Nothing secret belongs here: it stands in answers. */
export const httpSettings = object({
  url: text(2_000),
  method: optional(oneOf('POST', 'PUT', 'PATCH', 'DELETE')),
  headers: optional(record(text(2_000), 30)),
  ...everyConnector,
  /** how many 307 or 308 in a row are followed; naming it says that the tool has not acted when it redirects */
  redirects: optional(count(5)),
  extract: optional(extractors),
  outcome_query: optional(outcomeQuery),
});
export type HttpSettings = Shape<typeof httpSettings>;

/** `secure`: TLS from the first byte (port 465); else STARTTLS where the server offers it. */
export const smtpSettings = object({ host: text(253), port: count(65_535), from: text(320), secure: optional(truth()), ...everyConnector });
export type SmtpSettings = Shape<typeof smtpSettings>;

/** http: bearer_token, or username and password (Basic), and headers of its own; smtp: username and password. */
export const credentialShape = object({ bearer_token: optional(text(8_192)), username: optional(text(320)), password: optional(text(8_192)), headers: optional(record(text(8_192), 30)) });
export type Credential = Shape<typeof credentialShape>;

export const connectorShape = object({
  tenant: name(),
  tool: object({ name: name(), version: name() }),
  type: oneOf('http', 'smtp'),
  settings: anything(),
  has_credential: truth(),
  configured_by: text(300),
  configured_at: optional(text(40)),
});

/** How a tool is reached. Configuration: it makes no events, and its credential leaves the row only for a call. */
@Entity('connector')
export class Connector {
  @PrimaryColumn({ type: 'uuid', name: 'connector_id' })
  connectorId!: string;

  @Column({ type: 'text' })
  tenant!: string;

  @Column({ type: 'text', name: 'tool_name' })
  toolName!: string;

  @Column({ type: 'text', name: 'tool_version' })
  toolVersion!: string;

  @Column({ type: 'text' })
  type!: 'http' | 'smtp';

  @Column({ type: 'jsonb' })
  settings!: HttpSettings | SmtpSettings;

  /** Not read unless asked for by name. */
  @Column({ type: 'bytea', nullable: true, select: false })
  credential?: Buffer | null;

  @Column({ type: 'text', name: 'configured_by' })
  configuredBy!: string;

  @Column({ type: 'timestamptz', name: 'configured_at' })
  configuredAt!: Date;
}

export const connectorId = (tenant: string, tool: { readonly name: string; readonly version: string }): string => derivedId('connector', tenant, tool.name, tool.version);

/** What the ciphertext is bound to: it opens for this connector only. */
export const credentialPlace = (tenant: string, id: string): string => `connector-credential/${tenant}/${id}`;

export const EFFECT_KEY_PLACE = '{effect_key}';

/** Undefined when what comes of the template is no http or https URL. */
export const queryUrl = ({ url }: Pick<OutcomeQuery, 'url'>, effectKey: string): URL | undefined => {
  const text = url.replaceAll(EFFECT_KEY_PLACE, encodeURIComponent(effectKey));
  const asked = URL.canParse(text) ? new URL(text) : undefined;
  return asked?.protocol === 'https:' || asked?.protocol === 'http:' ? asked : undefined;
};

/** The host a connector connects to. */
export const hostOf = (type: 'http' | 'smtp', settings: HttpSettings | SmtpSettings): string => (type === 'http' ? new URL((settings as HttpSettings).url).hostname : (settings as SmtpSettings).host);

/** Every secret text of a credential, longest first, in each spelling an echo may have: what must be struck out of a tool's answer. */
export const secretsOf = (credential: Credential | undefined): readonly string[] => {
  if (credential === undefined) return [];
  const { bearer_token, username, password, headers } = credential;
  const basic = password === undefined ? [] : [password, basicToken(username, password)];
  const plain = [...(bearer_token === undefined ? [] : [bearer_token]), ...basic, ...Object.values(headers ?? {})].filter((secret) => secret !== '');
  const spellings = plain.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), Buffer.from(secret, 'utf8').toString('base64')]);
  return [...new Set(spellings)].sort((left, right) => right.length - left.length);
};

export const basicToken = (username: string | undefined, password: string): string => Buffer.from(`${username ?? ''}:${password}`, 'utf8').toString('base64');
