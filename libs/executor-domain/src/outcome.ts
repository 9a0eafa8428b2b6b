import type { FailureCode, UnknownCode } from './execution.js';

/**
 * How far a call of a tool came.
 * - `not_sent`: no byte of the request went out, so nothing can have happened; `because` says why not.
 * - `sent`: something went out and no answer came back.
 * - `answered`: the tool answered; for HTTP from the status line on, for mail from the reply to the content on.
 */
export type CallEnding =
  | { readonly phase: 'not_sent'; readonly because: 'too_late' | 'egress' | 'cap' | 'refused' | 'unreachable' | 'abandoned' }
  | { readonly phase: 'sent'; readonly because: 'timeout' | 'connection_lost' }
  | { readonly phase: 'answered'; readonly answer: 'done' | 'refused' | 'unclear' | 'timeout' };

export type Outcome = { readonly outcome: 'SUCCEEDED' } | { readonly outcome: 'FAILED'; readonly code: FailureCode } | { readonly outcome: 'UNKNOWN'; readonly code: UnknownCode };

const NOT_SENT: Readonly<Record<Extract<CallEnding, { phase: 'not_sent' }>['because'], FailureCode>> = {
  too_late: 'EXECUTE_BY_PASSED',
  egress: 'EGRESS_NOT_ALLOWED',
  cap: 'CAP_EXCEEDED',
  /** the connector cannot carry these arguments, or the tool turned us away before it had them */
  refused: 'CONNECTOR_REFUSED',
  unreachable: 'PROVABLY_NOT_SENT',
  /** whoever wanted to call has not been heard of for too long, and may have been given up by the others */
  abandoned: 'PROVABLY_NOT_SENT',
};

const failed = (code: FailureCode): Outcome => ({ outcome: 'FAILED', code });
const unknown = (code: UnknownCode): Outcome => ({ outcome: 'UNKNOWN', code });

/**
 * | how far | what was seen | outcome |
 * | --- | --- | --- |
 * | not sent | late, egress, cap, refused, unreachable or abandoned | FAILED: EXECUTE_BY_PASSED, EGRESS_NOT_ALLOWED, CAP_EXCEEDED, CONNECTOR_REFUSED, PROVABLY_NOT_SENT |
 * | sent | no answer in time | UNKNOWN: TIMED_OUT_UNKNOWN |
 * | sent | connection lost | UNKNOWN: CONNECTION_LOST_UNKNOWN |
 * | answered | HTTP 2xx, SMTP 2yz | SUCCEEDED |
 * | answered | HTTP 4xx, SMTP 4yz and 5yz: a tool that refuses has not acted | FAILED: CONNECTOR_REFUSED |
 * | answered | HTTP 1xx, 3xx and 5xx: it may have acted before it failed | UNKNOWN: CONNECTION_LOST_UNKNOWN |
 * | answered | HTTP 504: something behind the tool timed out | UNKNOWN: TIMED_OUT_UNKNOWN |
 *
 * FAILED means provably no effect; whatever is in doubt is UNKNOWN and is never tried again by itself.
 */
export const classifyOutcome = (ending: CallEnding): Outcome => {
  switch (ending.phase) {
    case 'not_sent':
      return failed(NOT_SENT[ending.because]);
    case 'sent':
      return unknown(ending.because === 'timeout' ? 'TIMED_OUT_UNKNOWN' : 'CONNECTION_LOST_UNKNOWN');
    case 'answered':
      if (ending.answer === 'done') return { outcome: 'SUCCEEDED' };
      if (ending.answer === 'refused') return failed('CONNECTOR_REFUSED');
      return unknown(ending.answer === 'timeout' ? 'TIMED_OUT_UNKNOWN' : 'CONNECTION_LOST_UNKNOWN');
  }
};

/** The row of the table above for a status of HTTP (RFC 9110 section 15). */
export const httpAnswer = (status: number): Extract<CallEnding, { phase: 'answered' }> => {
  if (status >= 200 && status < 300) return { phase: 'answered', answer: 'done' };
  if (status >= 400 && status < 500) return { phase: 'answered', answer: 'refused' };
  return { phase: 'answered', answer: status === 504 ? 'timeout' : 'unclear' };
};
