import { pointerSteps } from '@exequatur/kernel';
import { problem, shaped } from '@exequatur/service-kit';
import { parseNetwork } from '../egress/networks.js';
import { credentialShape, EFFECT_KEY_PLACE, httpSettings, queryUrl, smtpSettings } from './connector.js';
import type { Credential, HttpSettings, OutcomeQuery, SmtpSettings } from './connector.js';

/** Set by the executor for each call; a connector cannot say otherwise. */
const OWN_HEADERS = new Set(['host', 'content-length', 'content-type', 'transfer-encoding', 'connection', 'expect', 'upgrade', 'te', 'trailer', 'keep-alive', 'idempotency-key']);
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/;
const HEADER_VALUE = /^[\t\x20-\x7e]*$/;

const invalid = (pointer: string, expected: string): never => problem('INVALID', undefined, [{ pointer, expected }]);

const checkHeaders = (headers: Readonly<Record<string, string>> | undefined, pointer: string, secret: boolean): void => {
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (!HEADER_NAME.test(name) || OWN_HEADERS.has(name.toLowerCase())) invalid(pointer, 'headers that a connector may set');
    if (!HEADER_VALUE.test(value)) invalid(pointer, 'header values of visible ASCII');
    if (!secret && /^(authorization|proxy-authorization|cookie)$|api-?key|token|secret/i.test(name)) invalid(pointer, 'no secrets: those belong under /credential/headers');
  }
};

const checkHttp = (settings: HttpSettings): HttpSettings => {
  const url = URL.canParse(settings.url) ? new URL(settings.url) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) return invalid('/settings/url', 'an http or https URL');
  if (url.username !== '' || url.password !== '' || url.hash !== '') invalid('/settings/url', 'no user, password or fragment: a credential belongs under /credential');
  checkHeaders(settings.headers, '/settings/headers', false);
  checkEvery(settings);
  checkExtractors(settings.extract);
  if (settings.outcome_query !== undefined) checkQuery(settings.outcome_query, url);
  return settings;
};

const checkEvery = ({ private_networks, max_concurrency }: Pick<HttpSettings, 'private_networks' | 'max_concurrency'>): void => {
  (private_networks ?? []).forEach((network, index) => {
    if (parseNetwork(network) === undefined) invalid(`/settings/private_networks/${index}`, 'an address, or a range in CIDR form');
  });
  if (max_concurrency === 0) invalid('/settings/max_concurrency', 'at least 1');
};

const checkPointer = (text: string | undefined, pointer: string): void => {
  if (text !== undefined && pointerSteps(text) === undefined) invalid(pointer, 'a JSON Pointer');
};

const checkExtractors = ({ recipients, amounts, rows, model }: NonNullable<HttpSettings['extract']> = {}): void => {
  recipients?.forEach((each, index) => checkPointer(each, `/settings/extract/recipients/${index}`));
  if (recipients?.length === 0) invalid('/settings/extract/recipients', 'at least one pointer');
  for (const [unit, each] of Object.entries(amounts ?? {})) {
    if (!/^[A-Z][A-Z0-9_]{0,31}$/.test(unit)) invalid('/settings/extract/amounts', 'currencies or units as keys');
    checkPointer(each, `/settings/extract/amounts/${unit}`);
  }
  checkPointer(rows, '/settings/extract/rows');
  checkPointer(model, '/settings/extract/model');
};

/** The credential goes along, so the question goes where the calls go. */
const checkQuery = (query: OutcomeQuery, home: URL): void => {
  const asked = queryUrl(query, 'effect-key');
  if (!query.url.includes(EFFECT_KEY_PLACE) || asked === undefined) return invalid('/settings/outcome_query/url', `an http or https URL with ${EFFECT_KEY_PLACE} in its path or query`);
  if (asked.origin !== home.origin || asked.username !== '' || asked.password !== '' || asked.hash !== '') invalid('/settings/outcome_query/url', 'the same origin as the tool’s url, without user, password or fragment');
  for (const side of ['executed', 'not_executed'] as const) {
    if (query[side]?.status.length === 0) invalid(`/settings/outcome_query/${side}/status`, 'at least one status');
    checkPointer(query[side]?.pointer, `/settings/outcome_query/${side}/pointer`);
    if (query[side]?.pointer === undefined && (query[side]?.values !== undefined || query[side]?.absent === true)) invalid(`/settings/outcome_query/${side}/pointer`, 'to be present');
  }
  checkPointer(query.effect_key, '/settings/outcome_query/effect_key');
  checkPointer(query.provider_request_id, '/settings/outcome_query/provider_request_id');
};

const checkSmtp = (settings: SmtpSettings): SmtpSettings => {
  if (!/^[A-Za-z0-9.:_-]+$/.test(settings.host)) invalid('/settings/host', 'a host name or address');
  if (settings.port === 0) invalid('/settings/port', 'a port from 1');
  if (!/^[^\s@<>,;"]+@[^\s@<>,;"]+$/.test(settings.from)) invalid('/settings/from', 'one plain mail address');
  checkEvery(settings);
  return settings;
};

/** @throws Problem INVALID with a pointer into the body of `POST /v1/connectors` */
export const checkSettings = (type: 'http' | 'smtp', given: unknown): HttpSettings | SmtpSettings => {
  const settings = type === 'http' ? checkHttp(shaped(httpSettings, given)) : checkSmtp(shaped(smtpSettings, given));
  // PostgreSQL keeps no NUL in JSON.
  if (JSON.stringify(settings).includes('\\u0000')) invalid('/settings', 'texts without NUL characters');
  return settings;
};

/** @throws Problem INVALID; what it says names fields only, never their values */
export const checkCredential = (type: 'http' | 'smtp', given: unknown): Credential => {
  const credential = shaped(credentialShape, given);
  const { bearer_token, username, password, headers } = credential;
  if ((username === undefined) !== (password === undefined)) invalid('/credential', 'username and password together');
  if (type === 'smtp' && (bearer_token !== undefined || headers !== undefined)) invalid('/credential', 'username and password only: the connector is smtp');
  if (bearer_token !== undefined && (password !== undefined || !HEADER_VALUE.test(bearer_token))) invalid('/credential', 'one way to authenticate, in visible ASCII');
  checkHeaders(headers, '/credential/headers', true);
  return credential;
};
