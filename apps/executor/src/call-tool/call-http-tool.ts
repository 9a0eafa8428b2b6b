import { extractFacts, httpAnswer } from '@exequatur/executor-domain';
import type { CallFacts } from '@exequatur/executor-domain';
import { isRefusal, parseStrict } from '@exequatur/kernel';
import { secretsOf } from '../connectors/connector.js';
import type { Credential, HttpSettings } from '../connectors/connector.js';
import type { Egress } from '../egress/egress.js';
import { callHeaders, requestIdOf } from './http-parts.js';
import { exchange } from './one-exchange.js';
import type { Exchanged } from './one-exchange.js';
import { reachWithin } from './reach-within.js';
import { excerptOf, notSent } from './tool-call.js';
import type { CallResult, NotSent, ToolCall } from './tool-call.js';

/** What one hop came to, or where the tool sends us instead. */
type Hop = { readonly result: CallResult } | { readonly redirect: URL };

/**
 * Sends the granted bytes. A redirect is an answer like any other unless the connector says that its tool has not acted then;
 * only 307 and 308 are followed, which keep method and body, and each hop passes every check anew.
 */
export const callHttpTool = async (settings: HttpSettings, credential: Credential | undefined, call: ToolCall, egress: Egress): Promise<CallResult> => {
  const facts = extractFacts(parseStrict(call.bytes), settings.extract ?? {});
  if (isRefusal(facts)) return nothingSent(call, notSent('refused'), facts.detail ?? facts.code);
  const known = { ...facts, ...(settings.environment === undefined ? {} : { environment: settings.environment }) };
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(), call.runtimeMs);
  try {
    const home = new URL(settings.url);
    let url = home;
    for (let hops = 0; ; hops += 1) {
      const withCredential = url.origin === home.origin ? credential : undefined;
      const hop = await oneHop({ url, settings, credential: withCredential, call, facts: { ...known, host: hostAndPort(url) }, egress, signal: ended.signal, secrets: secretsOf(credential) });
      if ('result' in hop) return hop.result;
      if (hops >= (settings.redirects ?? 0) || isDowngrade(url, hop.redirect)) return nothingSent(call, notSent('egress'), `not followed: ${hop.redirect.origin}`);
      url = hop.redirect;
    }
  } finally {
    clearTimeout(timer);
    ended.abort();
  }
};

interface HopParts {
  readonly url: URL;
  readonly settings: HttpSettings;
  readonly credential: Credential | undefined;
  readonly call: ToolCall;
  readonly facts: CallFacts;
  readonly egress: Egress;
  readonly signal: AbortSignal;
  readonly secrets: readonly string[];
}

const oneHop = async ({ url, settings, credential, call, facts, egress, signal, secrets }: HopParts): Promise<Hop> => {
  const early = call.mayBegin(facts);
  if (early !== undefined) return { result: nothingSent(call, early) };
  const reach = await reachWithin(egress, url.hostname, settings.private_networks, signal);
  if (reach.kind === 'refused') return { result: nothingSent(call, notSent('egress'), 'the host is at an address that the connector does not name') };
  if (reach.kind === 'unresolved') return { result: nothingSent(call, notSent('unreachable'), 'no connection') };
  const headers = callHeaders(settings, credential, call.effectKey);
  const exchanged = await exchange({ url, addresses: reach.addresses, method: settings.method ?? 'POST', headers, body: call.bytes, signal, mayWrite: () => call.mayBegin(facts) });
  const redirect = settings.redirects === undefined ? undefined : redirectOf(url, exchanged);
  return redirect === undefined ? { result: resultOf(call, exchanged, signal, secrets) } : { redirect };
};

const resultOf = (call: ToolCall, exchanged: Exchanged, signal: AbortSignal, secrets: readonly string[]): CallResult => {
  if (exchanged.kind === 'not_sent') return nothingSent(call, exchanged.ending, exchanged.ending.because === 'unreachable' ? 'no connection' : '');
  if (exchanged.kind === 'lost') return { ending: { phase: 'sent', because: signal.aborted ? 'timeout' : 'connection_lost' }, sent: call.bytes, excerpt: '' };
  const providerRequestId = requestIdOf(exchanged.headers, exchanged.body, secrets);
  const excerpt = excerptOf(`HTTP ${exchanged.status}\n${exchanged.body.toString('utf8')}`, secrets);
  return { ending: httpAnswer(exchanged.status), sent: call.bytes, excerpt, ...(providerRequestId === undefined ? {} : { providerRequestId }) };
};

const nothingSent = (call: ToolCall, ending: NotSent, excerpt = ''): CallResult => ({ ending, sent: call.bytes, excerpt });

/** Undefined for what cannot be followed: it is judged as the answer it is. */
const redirectOf = (from: URL, exchanged: Exchanged): URL | undefined => {
  if (exchanged.kind !== 'answered' || (exchanged.status !== 307 && exchanged.status !== 308)) return undefined;
  const { location } = exchanged.headers;
  if (typeof location !== 'string' || !URL.canParse(location, from.href)) return undefined;
  const to = new URL(location, from);
  return (to.protocol === 'https:' || to.protocol === 'http:') && to.username === '' && to.password === '' ? to : undefined;
};

/** What was encrypted would go out in clear. */
const isDowngrade = (from: URL, to: URL): boolean => from.protocol === 'https:' && to.protocol !== 'https:';

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

const hostAndPort = ({ hostname, port, protocol }: URL): string => `${hostname}:${port === '' ? DEFAULT_PORTS[protocol] : port}`;
