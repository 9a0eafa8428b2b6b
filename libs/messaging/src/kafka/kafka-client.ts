import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Kafka, logLevel } from 'kafkajs';
import type { ISocketFactory, KafkaConfig, SASLOptions } from 'kafkajs';
import type { MessagingLogger } from '../logger.js';

export interface KafkaTransportOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly service: string;
  readonly sasl?: SASLOptions;
  readonly ssl?: KafkaConfig['ssl'];
  readonly logger?: MessagingLogger;
  readonly sessionTimeoutMs?: number;
  /** Replicas of topics that ensureTopics creates; -1 is the brokers' default. */
  readonly replicationFactor?: number;
}

/** Without it a small request waits up to 40 ms for the acknowledgement of the one before (Nagle and delayed ACK). */
const socketFactory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
  const socket = ssl ? connectTls({ host, port, servername: host, ...ssl }, onConnect) : connectTcp({ host, port }, onConnect);
  return socket.setNoDelay(true).setKeepAlive(true, 60_000);
};

/** kafkajs calls much an error that it then retries; only what it gives up on is thrown, and logged as such by us. */
const LEVELS: Readonly<Record<number, 'debug' | 'info' | 'warn'>> = { [logLevel.ERROR]: 'warn', [logLevel.WARN]: 'warn', [logLevel.INFO]: 'debug', [logLevel.DEBUG]: 'debug' };

/** kafkajs keeps trying for a few seconds; beyond that the relay and the subscription start again, for ever. */
export const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5, factor: 0.2, multiplier: 2 } as const;

export const kafkaClient = ({ brokers, clientId, sasl, ssl }: KafkaTransportOptions, logger: MessagingLogger): Kafka =>
  new Kafka({
    brokers: [...brokers],
    clientId,
    ...(sasl === undefined ? {} : { sasl }),
    ...(ssl === undefined ? {} : { ssl }),
    socketFactory,
    connectionTimeout: 3_000,
    requestTimeout: 30_000,
    enforceRequestTimeout: true,
    retry: RETRY,
    logLevel: logLevel.INFO,
    logCreator: () => ({ level, namespace, log: { message, ...fields } }) => {
      const { timestamp: _timestamp, logger: _logger, stack: _stack, ...rest } = fields as Record<string, unknown>;
      logger[LEVELS[level] ?? 'debug'](`kafkajs ${namespace}: ${message}`, rest);
    },
  });
