import type { LoggerService } from '@nestjs/common';
import type { MessagingLogger } from '@exequatur/messaging';
import { isError } from '../problem/is-error.js';
import { pino, type DestinationStream, type Logger } from 'pino';

/** Never in a log, wherever in an object of up to three levels they stand. */
const SECRET_FIELDS = ['authorization', 'cookie', 'set-cookie', 'token', 'password', 'secret', 'arguments', 'sealed', 'granted_arguments', 'body', 'rawBody', 'key_hash', 'token_hash', 'ciphertext'];
const paths = SECRET_FIELDS.flatMap((field) => ['', '*.', '*.*.'].map((prefix) => `${prefix}["${field}"]`.replace('.[', '[')));

/** Bearer credentials and JWSs inside texts, such as an error's message. */
const CREDENTIALS = /exq_(?:agent|person|root)_[A-Za-z0-9_-]+|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g;

interface PlainError {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: PlainError;
}

/** An error without the details that PostgreSQL and clients attach: they quote values, parameters and connection strings. */
const plainError = (error: unknown, depth = 0): PlainError => {
  if (!isError(error)) return { type: typeof error, message: 'not an Error' };
  return {
    type: error.name,
    message: error.message.replace(CREDENTIALS, '[redacted]'),
    ...('code' in error && typeof error.code === 'string' ? { code: error.code } : {}),
    ...(error.stack === undefined ? {} : { stack: error.stack.replace(CREDENTIALS, '[redacted]') }),
    ...(error.cause === undefined || depth >= 3 ? {} : { cause: plainError(error.cause, depth + 1) }),
  };
};

/** JSON lines on standard output, each with the service's name. `destination` is for tests. */
export const createLogger = (service: string, level: string, destination?: DestinationStream): Logger =>
  pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: (error: unknown) => plainError(error) },
      redact: { paths, censor: '[redacted]' },
    },
    ...(destination === undefined ? [] : [destination]),
  );

/** Fields first, as pino wants them. */
export const messagingLogger = (log: Logger): MessagingLogger => ({
  debug: (message, fields) => log.debug(fields ?? {}, message),
  info: (message, fields) => log.info(fields ?? {}, message),
  warn: (message, fields) => log.warn(fields ?? {}, message),
  error: (message, fields) => log.error(fields ?? {}, message),
});

const textOf = (message: unknown): string => (isError(message) ? message.message : String(message)).replace(CREDENTIALS, '[redacted]');

/** Nest's own messages. Nest keeps one logger a process, so with several apps the last one's name stands on all of them. */
export const nestLogger = (log: Logger): LoggerService => ({
  log: (message: unknown) => log.debug({ from: 'nest' }, textOf(message)),
  debug: (message: unknown) => log.debug({ from: 'nest' }, textOf(message)),
  verbose: (message: unknown) => log.trace({ from: 'nest' }, textOf(message)),
  warn: (message: unknown) => log.warn({ from: 'nest' }, textOf(message)),
  error: (message: unknown, ...more: unknown[]) => log.error({ from: 'nest', ...(isError(message) ? { err: message } : {}), at: typeof more[0] === 'string' ? more[0].slice(0, 2_000).replace(CREDENTIALS, '[redacted]') : undefined }, textOf(message)),
  fatal: (message: unknown) => log.fatal({ from: 'nest' }, textOf(message)),
});
