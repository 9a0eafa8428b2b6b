import { isJsonObject, parseStrict } from '@exequatur/kernel';
import type { JsonObject, JsonValue } from '@exequatur/kernel';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { SmtpSettings } from '../connectors/connector.js';
import type { ToolCall } from './tool-call.js';

export interface ComposedMail {
  readonly messageId: string;
  readonly envelope: { readonly from: string; readonly to: string[] };
  /** RFC 5322 message with CRLF line ends. */
  readonly bytes: Buffer;
}

const LISTS = ['to', 'cc', 'bcc'] as const;
const TEXTS = ['subject', 'text', 'body', 'html', 'reply_to', 'from'] as const;
const FIELDS: readonly string[] = [...LISTS, ...TEXTS];

/**
 * The mail that granted arguments describe: to, cc, bcc (address or list of addresses), subject, text or body, html, reply_to.
 * Everything that was granted is sent: a field that a mail cannot carry makes the arguments unfit, rather than being left out.
 */
export const composeMail = async ({ from }: SmtpSettings, { bytes, effectKey }: Pick<ToolCall, 'bytes' | 'effectKey'>): Promise<ComposedMail | { readonly unfit: string }> => {
  const fields = parseStrict(bytes);
  const unfit = whyUnfit(fields, from);
  if (unfit !== undefined) return { unfit };
  const messageId = `<${effectKey}@${from.slice(from.lastIndexOf('@') + 1)}>`;
  const { to, cc, bcc, subject, text, body, html, reply_to: replyTo } = fields as Readonly<Record<string, string>>;
  const options = { from, to, cc, bcc, subject: subject ?? '', text: text ?? body, html, replyTo, messageId, disableFileAccess: true, disableUrlAccess: true };
  const message = new MailComposer(Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))).compile();
  const envelope = message.getEnvelope();
  if (envelope.to.length === 0) return { unfit: 'the arguments name no recipient' };
  return { messageId, envelope: { from, to: envelope.to }, bytes: await message.build() };
};

const whyUnfit = (fields: JsonValue, from: string): string | undefined => {
  if (!isJsonObject(fields)) return 'the arguments are no object';
  const foreign = Object.keys(fields).find((field) => !FIELDS.includes(field));
  if (foreign !== undefined) return `a mail cannot carry the argument ${JSON.stringify(foreign)}`;
  if (fields['text'] !== undefined && fields['body'] !== undefined) return 'the arguments hold text and body';
  if (fields['from'] !== undefined && fields['from'] !== from) return 'the sender is the connector’s, not the arguments’';
  return unfitField(fields);
};

const unfitField = (fields: JsonObject): string | undefined => {
  const text = TEXTS.find((field) => fields[field] !== undefined && typeof fields[field] !== 'string');
  const list = LISTS.find((field) => fields[field] !== undefined && !isAddressList(fields[field]));
  const wrong = text ?? list;
  return wrong === undefined ? undefined : `the argument ${wrong} is not what a mail takes`;
};

/** A comma inside one text would make two recipients of what reads as one. */
const isAddressList = (value: JsonValue | undefined): boolean => (Array.isArray(value) ? value : [value]).every((one) => typeof one === 'string' && one !== '' && !/[,;\r\n]/.test(one));
