import { ApprovalPending, ExequaturClient, governed } from '@exequatur/sdk';

/** An agent that parks its run, says so, and then hangs until it is killed. Its tool must never run here. */
const { EXEQUATUR_ORIGIN: baseUrl = '', EXEQUATUR_AGENT_KEY: apiKey = '', EXEQUATUR_SCOPE: scope_path = '', EXEQUATUR_RUN: run_id = '' } = process.env;
const client = new ExequaturClient({ baseUrl, apiKey });
const send = governed(
  async (args: { readonly to: string }) => {
    process.send?.({ ran: args.to });
    return 'sent';
  },
  { client, tool: { name: 'mailer.send', version: '1.0' }, action_kind: 'message.email.send', scope_path, run_id, target: ({ to }) => to, checkpoint: () => new TextEncoder().encode(JSON.stringify({ step: 7, notes: 'half way' })) },
);
await send({ to: 'customer@example.com' }).catch((error: unknown) => {
  if (!(error instanceof ApprovalPending)) throw error;
  process.send?.({ parked: error.action_id });
});
setInterval(() => undefined, 60_000);
