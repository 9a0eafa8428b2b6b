import { list, name, object, oneOf, optional, text } from '@exequatur/contracts';
import type { Schema, Shape } from '@exequatur/contracts';
import { parseStrict } from '@exequatur/kernel';
import { shaped } from '@exequatur/service-kit';
import { readButtonValue } from './slack-card.js';

/** Slack adds fields when it likes; only those named here are read. */
const open = <T>(schema: Schema<T>): Schema<T> => ({ json: { ...schema.json, additionalProperties: true } });
const id = text(50);

const press = open(
  object({
    type: oneOf('block_actions'),
    team: open(object({ id })),
    user: open(object({ id })),
    trigger_id: text(200),
    container: open(object({ message_ts: text(50), channel_id: id })),
    actions: list(open(object({ action_id: text(255), value: optional(text(2_000)) })), 25),
  }),
);
const words = open(object({ value: optional({ json: { type: ['string', 'null'], maxLength: 3_000 } } as Schema<string | null>) }));
const choice = open(object({ selected_option: open(object({ value: name() })) }));
const submission = open(
  object({
    type: oneOf('view_submission'),
    team: open(object({ id })),
    user: open(object({ id })),
    view: open(object({ callback_id: text(255), private_metadata: text(3_000), state: open(object({ values: open(object({ reason: open(object({ words })), code: open(object({ choice })) })) })) })),
  }),
);
/** What we put into a dialog ourselves. */
const place = object({ value: text(2_000), channel: id, ts: text(50) });

/** Who did what, to which card, where. */
export interface Interaction {
  readonly team: string;
  readonly user: string;
  readonly gesture: 'approve' | 'reject' | 'ask-why';
  readonly approvalId: string;
  readonly version: number;
  readonly viewHash: string;
  readonly channel: string;
  readonly ts: string;
  /** of a rejection */
  readonly reason?: string;
  readonly reasonCode?: string;
  /** opens a dialog within three seconds */
  readonly triggerId?: string;
  /** as it was on the button */
  readonly value: string;
}

/** Undefined for a gesture that asks nothing of us, such as following the link. @throws Problem INVALID, or what the strict parse throws */
export const readInteraction = (payload: string): Interaction | undefined => {
  const parsed = parseStrict(payload) as { readonly type?: unknown };
  return parsed.type === 'view_submission' ? submitted(shaped(submission, parsed)) : pressed(shaped(press, parsed));
};

const pressed = ({ team, user, trigger_id, container, actions }: Shape<typeof press>): Interaction | undefined => {
  const [action] = actions;
  const about = readButtonValue(action?.value ?? '');
  if (action === undefined || about === undefined) return undefined;
  const gesture = action.action_id === 'approve' ? 'approve' : action.action_id === 'reject' ? 'ask-why' : undefined;
  return gesture === undefined ? undefined : { team: team.id, user: user.id, gesture, ...about, channel: container.channel_id, ts: container.message_ts, triggerId: trigger_id, value: action.value ?? '' };
};

const submitted = ({ team, user, view }: Shape<typeof submission>): Interaction | undefined => {
  if (view.callback_id !== 'reject') return undefined;
  const { value, channel, ts } = shaped(place, parseStrict(view.private_metadata));
  const about = readButtonValue(value);
  return about === undefined ? undefined : { team: team.id, user: user.id, gesture: 'reject', ...about, channel, ts, value, reason: view.state.values.reason.words.value ?? '', reasonCode: view.state.values.code.choice.selected_option.value };
};
