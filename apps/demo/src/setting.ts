import { randomBytes } from 'node:crypto';
import { startHttpTool, startSmtpSink } from '@exequatur/local-servers';
import { ExequaturClient } from '@exequatur/sdk';
import { callerOf } from './caller.js';
import type { Caller } from './caller.js';
import type { Instance } from './instance.js';

type HttpTool = Awaited<ReturnType<typeof startHttpTool>>;
type SmtpSink = Awaited<ReturnType<typeof startSmtpSink>>;

/** Everyone and everything the story needs: people, agents of two tenants, a mail sink and an HTTP tool that really receive. */
export interface Setting {
  readonly call: Caller;
  readonly tenant: string;
  readonly scopePath: string;
  readonly runId: string;
  readonly agent: ExequaturClient;
  readonly otherAgent: ExequaturClient;
  readonly foreignAgent: ExequaturClient;
  readonly foreignScopePath: string;
  readonly approver: string;
  readonly operator: string;
  readonly auditor: string;
  /** RISK_POINTS on the story's own app, 0 at first */
  readonly budgetId: string;
  readonly smtp: SmtpSink;
  readonly tool: HttpTool;
  stop(): Promise<void>;
}

export const MAIL_TOOL = { name: 'mailer.send', version: '1.0' } as const;
export const REFUND_TOOL = { name: 'billing.refund', version: '1.0' } as const;

export const prepare = async (instance: Instance): Promise<Setting> => {
  const call = callerOf(instance.urls);
  const { adminToken, credentials } = instance;
  const { tenant } = credentials;
  const run = randomBytes(3).toString('hex');
  const smtp = await startSmtpSink({});
  const tool = await startHttpTool({});
  const made = async <T>(service: Parameters<Caller>[0], path: string, body: unknown, credential = adminToken): Promise<T> => {
    const answer = await call<T>(service, credential, `POST ${path}`, body);
    if (answer.status >= 300 && answer.status !== 409) throw new Error(`preparing the story: POST ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const agentOf = async (inTenant: string, agent: string, scope_prefix: string): Promise<ExequaturClient> => {
    await made('policy', '/v1/agents', { tenant: inTenant, agent, display_name: agent, scope_prefix });
    const { key } = await made<{ key: string }>('policy', `/v1/agents/${agent}/keys`, { tenant: inTenant });
    return new ExequaturClient({ baseUrl: instance.urls, apiKey: key });
  };
  const foreign = `globex-${run}`;
  await made('policy', '/v1/tenants', { tenant: foreign, display_name: 'Globex (demo)' });
  const scopePath = `tenant:${tenant}/workspace:sales/app:outreach-${run}`;
  const budget = await made<{ budget_id: string }>('reservations', '/v1/budgets', { tenant, scope_path: scopePath, unit: 'RISK_POINTS', cap: '0' });
  await made('executor', '/v1/connectors', { tenant, tool: MAIL_TOOL, type: 'smtp', settings: { host: '127.0.0.1', port: smtp.port, from: 'outreach@acme.example', private_networks: ['127.0.0.1'] } });
  await made('executor', '/v1/connectors', { tenant, tool: REFUND_TOOL, type: 'http', settings: { url: `${tool.url}/refunds`, private_networks: ['127.0.0.1'] }, credential: { bearer_token: 'tool-secret-the-agent-never-sees' } });
  return {
    call,
    tenant,
    scopePath,
    runId: `run-${run}`,
    // Of its own: what the story has refused to it would open the circuit of an agent that another telling shares.
    agent: await agentOf(tenant, `outreach-agent-${run}`, `tenant:${tenant}/workspace:sales`),
    otherAgent: await agentOf(tenant, `other-agent-${run}`, `tenant:${tenant}/workspace:sales`),
    foreignAgent: await agentOf(foreign, 'foreign-agent', `tenant:${foreign}`),
    foreignScopePath: `tenant:${foreign}`,
    approver: credentials.approver,
    operator: credentials.operator,
    auditor: credentials.auditor,
    budgetId: budget.budget_id,
    smtp,
    tool,
    stop: async () => {
      await smtp.stop();
      await tool.stop();
    },
  };
};
