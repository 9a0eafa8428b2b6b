import type { CallEnding, CallFacts } from '@exequatur/executor-domain';
import { LIMITS } from '../limits.js';

/** One call of one tool. */
export interface ToolCall {
  /** execution_id: the tool can tell a repeated effect by it. */
  readonly effectKey: string;
  /** Exactly the granted arguments, canonical JSON. */
  readonly bytes: Buffer;
  /** From connecting to the end of the answer. */
  readonly runtimeMs: number;
  /** Undefined: go ahead. Asked right before the first byte that can have an effect is written. */
  readonly mayBegin: (facts: CallFacts) => NotSent | undefined;
}

export type NotSent = Extract<CallEnding, { phase: 'not_sent' }>;

export interface CallResult {
  readonly ending: CallEnding;
  /** The bytes that were used as arguments. */
  readonly sent: Buffer;
  /** What came back, bounded, without secrets of the connector; '' when nothing did. Sealed wherever it is kept. */
  readonly excerpt: string;
  readonly providerRequestId?: string;
}

export const notSent = (because: NotSent['because']): NotSent => ({ phase: 'not_sent', because });

/** What of an answer may be kept: bounded, and without secrets, since a tool may repeat what it was sent. Cut after they are struck out, so that none is cut in half. */
export const excerptOf = (text: string, secrets: readonly string[]): string => withoutSecrets(text, secrets).slice(0, LIMITS.resultBytes);

export const withoutSecrets = (text: string, secrets: readonly string[]): string => secrets.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text);
