import { createHmac, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { readBody } from './read-body.js';
import { blocksFault } from './slack-limits.js';

export type SlackBlock = Readonly<Record<string, unknown>> & { readonly type: string };

export type SlackMessage = {
  channel: string;
  ts: string;
  text: string;
  blocks: readonly SlackBlock[];
  /** Of an answer in a thread: the message it belongs to. */
  threadTs?: string;
  /** How often it was rewritten. */
  rewritten: number;
};

export type SlackView = { triggerId: string; view: Readonly<Record<string, unknown>> };

/** What the workspace does with one call. `{}` answers as Slack does. */
export type SlackBehaviour = {
  /** Answers `{"ok":false,"error":…}` and does nothing. */
  error?: string;
  /** Answers 429 with this Retry-After. */
  retryAfterSeconds?: number;
  /** Does what was asked and closes the connection without an answer: the caller cannot tell. */
  hangUp?: boolean;
};

/** What a person does to a message; signed as Slack signs unless told otherwise. */
export type SlackGesture = {
  /** Where the app takes interactions. */
  to: string;
  user: string;
  /** Another workspace than this one. */
  team?: string;
  /** Sent in the place of the right secret. */
  signingSecret?: string;
  /** Seconds before now that the request claims to be from. */
  ageSeconds?: number;
};

export type SlackAnswer = { status: number; body: string; /** From request to answer. */ ms: number; /** What was sent, to be sent again. */ sent: { headers: Record<string, string>; body: string } };

export type SlackWorkspace = {
  /** Base of the Web API: methods are `${api}/chat.postMessage` and so on. */
  api: string;
  teamId: string;
  botToken: string;
  signingSecret: string;
  /** Messages in order of posting, as they stand now. */
  messages: SlackMessage[];
  /** Shown to one person alone. */
  ephemerals: { channel: string; user: string; text: string }[];
  views: SlackView[];
  /** Every call by its method, in order. */
  calls: string[];
  /** Sets what happens to later calls; `nth` counts those of one method, from 1. */
  behave(behaviour: (method: string, nth: number) => SlackBehaviour): void;
  /** A person presses a button of a message. @throws Error when the message has no such button */
  press(message: SlackMessage, actionId: string, gesture: SlackGesture): Promise<SlackAnswer>;
  /** A person sends a dialog with these words in its inputs, or these choices in its menus, by block id. */
  submit(view: SlackView, words: Readonly<Record<string, string>>, gesture: SlackGesture): Promise<SlackAnswer>;
  stop(): Promise<void>;
};

type Fields = Readonly<Record<string, unknown>>;

const largestBodyBytes = 1024 * 1024;
const triggerMs = 3_000;

const readJson = async (incoming: IncomingMessage): Promise<Fields> => JSON.parse((await readBody(incoming, largestBodyBytes)).toString('utf8')) as Fields;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The block id, where that block of a dialog is a menu. */
const selectIn = (view: Fields, id: string): string | undefined => ((view['blocks'] as readonly Fields[] | undefined) ?? []).filter((block) => block['block_id'] === id && (block['element'] as Fields | undefined)?.['type'] === 'static_select').map(() => id)[0];

/** Every interactive element of a message. */
const elementsOf = (blocks: readonly SlackBlock[]): readonly Fields[] => blocks.flatMap((block) => (block.type === 'actions' ? (block['elements'] as readonly Fields[]) : []));

/**
 * A server on 127.0.0.1 that speaks the shapes of Slack's Web API (chat.postMessage, chat.update, chat.postEphemeral,
 * views.open) with the limits that Block Kit documents, and sends signed interactions (v0) as Slack does: for tests.
 */
export const startSlackWorkspace = (): Promise<SlackWorkspace> => {
  const botToken = `xoxb-${randomBytes(12).toString('hex')}`;
  const signingSecret = randomBytes(16).toString('hex');
  const teamId = 'T0123ABCD';
  const messages: SlackMessage[] = [];
  const ephemerals: { channel: string; user: string; text: string }[] = [];
  const views: SlackView[] = [];
  const calls: string[] = [];
  const triggers = new Map<string, number>();
  let behaviour: (method: string, nth: number) => SlackBehaviour = () => ({});
  let posted = 0;

  const methods: Readonly<Record<string, (fields: Fields) => Fields>> = {
    'chat.postMessage': (fields) => {
      const fault = blocksFault(fields['blocks']);
      if (fault !== undefined) return { ok: false, error: fault };
      posted += 1;
      const threadTs = textOf(fields['thread_ts']);
      const message = { channel: textOf(fields['channel']), ts: `1700000000.${String(posted).padStart(6, '0')}`, text: textOf(fields['text']), blocks: (fields['blocks'] ?? []) as readonly SlackBlock[], rewritten: 0, ...(threadTs === '' ? {} : { threadTs }) };
      messages.push(message);
      return { ok: true, channel: message.channel, ts: message.ts };
    },
    'chat.update': (fields) => {
      const message = messages.find(({ channel, ts }) => channel === fields['channel'] && ts === fields['ts']);
      const fault = message === undefined ? 'message_not_found' : blocksFault(fields['blocks']);
      if (message === undefined || fault !== undefined) return { ok: false, error: fault };
      Object.assign(message, { text: textOf(fields['text']), blocks: fields['blocks'], rewritten: message.rewritten + 1 });
      return { ok: true, channel: message.channel, ts: message.ts };
    },
    'chat.postEphemeral': (fields) => {
      ephemerals.push({ channel: textOf(fields['channel']), user: textOf(fields['user']), text: textOf(fields['text']) });
      return { ok: true, message_ts: '1700000000.999999' };
    },
    'views.open': (fields) => {
      const triggerId = textOf(fields['trigger_id']);
      const issued = triggers.get(triggerId);
      if (issued === undefined) return { ok: false, error: 'invalid_trigger_id' };
      if (performance.now() - issued > triggerMs) return { ok: false, error: 'expired_trigger_id' };
      triggers.delete(triggerId);
      views.push({ triggerId, view: fields['view'] as Fields });
      return { ok: true, view: { id: `V${views.length}` } };
    },
  };

  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const method = (incoming.url ?? '').replace(/^\/api\//, '');
    const fields = await readJson(incoming);
    calls.push(method);
    const { error, retryAfterSeconds, hangUp } = behaviour(method, calls.filter((call) => call === method).length);
    if (retryAfterSeconds !== undefined) {
      response.writeHead(429, { 'retry-after': String(retryAfterSeconds), 'content-type': 'application/json' }).end('{"ok":false,"error":"ratelimited"}');
      return;
    }
    const answer = incoming.headers.authorization !== `Bearer ${botToken}` ? { ok: false, error: 'invalid_auth' } : error !== undefined ? { ok: false, error } : (methods[method]?.(fields) ?? { ok: false, error: 'unknown_method' });
    if (hangUp === true) return void response.destroy();
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(answer));
  };

  const send = async (payload: Fields, { to, user, team = teamId, signingSecret: secret = signingSecret, ageSeconds = 0 }: SlackGesture): Promise<SlackAnswer> => {
    const triggerId = randomBytes(8).toString('hex');
    triggers.set(triggerId, performance.now());
    const whole = { ...payload, team: { id: team, domain: 'corp' }, user: { id: user, username: user.toLowerCase(), team_id: team }, api_app_id: 'A1', token: 'verification-token', trigger_id: triggerId };
    const body = new URLSearchParams({ payload: JSON.stringify(whole) }).toString();
    const timestamp = String(Math.floor(Date.now() / 1_000) - ageSeconds);
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-slack-request-timestamp': timestamp, 'x-slack-signature': `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex')}` };
    const began = performance.now();
    const answer = await fetch(to, { method: 'POST', headers, body });
    return { status: answer.status, body: await answer.text(), ms: performance.now() - began, sent: { headers, body } };
  };

  const server = createServer((incoming, response) => {
    serve(incoming, response).catch(() => response.destroy());
  });

  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve({
        api: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/api`,
        teamId,
        botToken,
        signingSecret,
        messages,
        ephemerals,
        views,
        calls,
        behave: (next) => (behaviour = next),
        press: async (message, actionId, gesture) => {
          const element = elementsOf(message.blocks).find((each) => each['action_id'] === actionId);
          if (element === undefined) throw new Error(`the message has no button ${actionId}`);
          const { channel, ts } = message;
          const action = { type: 'button', action_id: actionId, block_id: 'b', value: element['value'], action_ts: '1700000000.5' };
          return send({ type: 'block_actions', actions: [action], channel: { id: channel, name: 'approvals' }, container: { type: 'message', message_ts: ts, channel_id: channel, is_ephemeral: false }, message: { ts, text: message.text, blocks: message.blocks }, response_url: 'https://hooks.slack.com/actions/T/1/x' }, gesture);
        },
        submit: ({ view }, words, gesture) => {
          const values = Object.fromEntries(Object.entries(words).map(([block, value]) => [block, block === selectIn(view, block) ? { choice: { type: 'static_select', selected_option: { value } } } : { words: { type: 'plain_text_input', value } }]));
          return send({ type: 'view_submission', view: { ...view, id: 'V1', state: { values } } }, gesture);
        },
        stop: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      });
    });
  });
};
