import { judgeQuery } from '@exequatur/executor-domain';
import type { QueryVerdict } from '@exequatur/executor-domain';
import { queryUrl, secretsOf } from '../connectors/connector.js';
import type { Credential, HttpSettings, OutcomeQuery } from '../connectors/connector.js';
import type { Egress } from '../egress/egress.js';
import { authorizedHeaders, fitRequestId, jsonOf } from './http-parts.js';
import { exchange } from './one-exchange.js';
import { reachWithin } from './reach-within.js';
import { excerptOf } from './tool-call.js';

export interface ToolSaid {
  readonly verdict: QueryVerdict;
  /** In short and without content: `HTTP 404`, `no answer`. */
  readonly heard: string;
  /** What was asked and what came back, bounded, without secrets of the connector. Sealed wherever it is kept. */
  readonly evidence: string;
}

const nothing = (heard: string): ToolSaid => ({ verdict: { verdict: 'unclear' }, heard, evidence: '' });

/** Asks what became of an effect key; a question has no effect and may be repeated. Never throws. Redirects are not followed. */
export const askHttpTool = async (settings: HttpSettings, query: OutcomeQuery, credential: Credential | undefined, effectKey: string, egress: Egress, signal: AbortSignal): Promise<ToolSaid> => {
  const url = queryUrl(query, effectKey);
  if (url === undefined) return nothing('no URL');
  const reach = await reachWithin(egress, url.hostname, settings.private_networks, signal);
  if (reach.kind !== 'reached') return nothing(reach.kind === 'refused' ? 'address not allowed' : 'host not found');
  const exchanged = await exchange({ url, addresses: reach.addresses, method: 'GET', headers: authorizedHeaders(settings, credential), signal, mayWrite: () => undefined });
  if (exchanged.kind !== 'answered') return nothing('no answer');
  const secrets = secretsOf(credential);
  const body = jsonOf(exchanged.body);
  const verdict = judgeQuery(query, effectKey, { status: exchanged.status, ...(body === undefined ? {} : { body }) });
  const heard = `HTTP ${exchanged.status}`;
  const evidence = excerptOf(`GET ${url.href} answered ${heard}\n${exchanged.body.toString('utf8')}`, secrets);
  return { verdict: fit(verdict, secrets), heard, evidence };
};

const fit = (verdict: QueryVerdict, secrets: readonly string[]): QueryVerdict => {
  if (verdict.verdict !== 'executed' || fitRequestId(verdict.providerRequestId, secrets) !== undefined) return verdict;
  return { verdict: 'executed' };
};
