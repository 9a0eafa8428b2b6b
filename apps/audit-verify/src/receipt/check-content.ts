import { ActionProposed, ApprovalOpened } from '@exequatur/contracts';
import type { ReceiptContent } from '@exequatur/contracts';
import { canonicalText, parseStrict, SALT_BYTES, saltedHash, StrictJsonError } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import type { Findings } from '../export/findings.js';
import { isEvent } from '../log/event-log.js';
import type { LogEvent } from '../log/log-event.js';

const isCanonical = (text: string): boolean => {
  try {
    return canonicalText(parseStrict(Buffer.from(text, 'utf8'), { maxBytes: 1_048_576, maxDepth: 64 }) as JsonValue) === text;
  } catch (error) {
    if (error instanceof StrictJsonError) return false;
    throw error;
  }
};

/** 3 and 26: what is shown as arguments and cards is what was hashed when it was proposed and seen. */
export const checkContent = (content: ReceiptContent, events: readonly LogEvent[], findings: Findings): void => {
  if (content.salt === undefined) return;
  const salt = Buffer.from(content.salt, 'base64url');
  if (salt.length !== SALT_BYTES || salt.toString('base64url') !== content.salt) {
    findings.add({ invariant: 26, message: 'the salt of the content is none' });
    return;
  }
  const hashOf = (text: string): string => saltedHash(salt, Buffer.from(text, 'utf8'));
  for (const event of events) {
    const place = { sequence: event.sequence, event_id: event.id };
    if (isEvent(event, ActionProposed)) {
      if (content.arguments !== undefined && (hashOf(content.arguments) !== event.data.arguments_hash || !isCanonical(content.arguments))) findings.add({ ...place, invariant: 3, message: 'the arguments shown are not those that were proposed' });
      if (content.target !== undefined && hashOf(content.target) !== event.data.target_hash) findings.add({ ...place, invariant: 3, message: 'the target shown is not the one that was proposed' });
    }
    if (!isEvent(event, ApprovalOpened)) continue;
    const shown = content.cards.find(({ event_id: id }) => id === event.id);
    if (shown === undefined) findings.add({ ...place, invariant: 26, message: 'the card of this request is not shown' });
    else if (shown.view_hash !== event.data.view_hash || hashOf(shown.card) !== event.data.view_hash || !isCanonical(shown.card)) findings.add({ ...place, invariant: 26, message: 'the card shown is not the one that approvers saw' });
  }
};
