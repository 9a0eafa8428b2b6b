import { problem, shaped } from '@exequatur/service-kit';
import { credentialShape, httpSettings, smtpSettings } from './connector.js';
import type { Credential, HttpSettings, SmtpSettings } from './connector.js';

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
  return settings;
};

const checkSmtp = (settings: SmtpSettings): SmtpSettings => {
  if (!/^[A-Za-z0-9.:_-]+$/.test(settings.host)) invalid('/settings/host', 'a host name or address');
  if (settings.port === 0) invalid('/settings/port', 'a port from 1');
  if (!/^[^\s@<>,;"]+@[^\s@<>,;"]+$/.test(settings.from)) invalid('/settings/from', 'one plain mail address');
  return settings;
};

/** @throws Problem INVALID with a pointer into the body of `POST /v1/connectors` */
export const checkSettings = (type: 'http' | 'smtp', settings: unknown): HttpSettings | SmtpSettings => (type === 'http' ? checkHttp(shaped(httpSettings, settings)) : checkSmtp(shaped(smtpSettings, settings)));

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
