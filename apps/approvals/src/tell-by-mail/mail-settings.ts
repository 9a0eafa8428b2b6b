import { count, object, optional, text, truth } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { shaped } from '@exequatur/service-kit';

/** One mailbox, plain: no display name, no list, nothing that could become a header. */
export const MAILBOX = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
export const MAILBOX_LENGTH = 254;

const settings = object({
  host: text(255),
  port: count(65_535),
  /** where notices come from */
  from: { json: { type: 'string', maxLength: MAILBOX_LENGTH, pattern: MAILBOX.source } } as { json: Record<string, unknown>; type?: string },
  /** TLS from the first byte; else STARTTLS where the server offers it */
  secure: optional(truth()),
  username: optional(text(255)),
  password: optional(text(1_000)),
});
export type MailSettings = Shape<typeof settings>;

/** @throws Error naming the field, never its value */
export const mailSettings = (source: string): MailSettings => {
  try {
    return shaped(settings, JSON.parse(source));
  } catch {
    throw new Error('EXEQUATUR_MAIL must be JSON {host, port, from, secure?, username?, password?}');
  }
};
