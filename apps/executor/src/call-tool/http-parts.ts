import { isJsonObject, parseStrict } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import type { Dispatcher } from 'undici';
import { basicToken } from '../connectors/connector.js';
import type { Credential, HttpSettings } from '../connectors/connector.js';
import { withoutSecrets } from './tool-call.js';

/** What every request to a tool carries: the connector's own headers, and its credential. */
export const authorizedHeaders = ({ headers }: HttpSettings, credential: Credential | undefined): Record<string, string> => ({
  ...headers,
  ...credential?.headers,
  ...(credential?.bearer_token === undefined ? {} : { authorization: `Bearer ${credential.bearer_token}` }),
  ...(credential?.password === undefined ? {} : { authorization: `Basic ${basicToken(credential.username, credential.password)}` }),
  accept: 'application/json, */*;q=0.1',
});

export const callHeaders = (settings: HttpSettings, credential: Credential | undefined, effectKey: string): Record<string, string> => ({
  ...authorizedHeaders(settings, credential),
  'content-type': 'application/json',
  'idempotency-key': effectKey,
});

const REQUEST_ID_HEADERS = ['x-request-id', 'request-id', 'x-amzn-requestid', 'x-correlation-id'];
const REQUEST_ID = /^[\x21-\x7e]{1,300}$/;

/** How the tool itself calls an effect, where that is fit to be kept in the open. */
export const fitRequestId = (value: unknown, secrets: readonly string[]): string | undefined =>
  typeof value === 'string' && REQUEST_ID.test(value) && withoutSecrets(value, secrets) === value ? value : undefined;

/** How the tool itself calls this request: for whoever reconciles. */
export const requestIdOf = (headers: Dispatcher.ResponseData['headers'], body: Buffer, secrets: readonly string[]): string | undefined => {
  const named = [...REQUEST_ID_HEADERS.map((name) => headers[name]), idIn(body)];
  return named.map((value) => fitRequestId(value, secrets)).find((value) => value !== undefined);
};

const idIn = (body: Buffer): JsonValue | undefined => {
  const parsed = jsonOf(body);
  return isJsonObject(parsed) ? parsed['id'] : undefined;
};

/** Undefined: no JSON, or none that the strict parse takes. */
export const jsonOf = (body: Buffer): JsonValue | undefined => {
  try {
    return parseStrict(body);
  } catch {
    return undefined;
  }
};
