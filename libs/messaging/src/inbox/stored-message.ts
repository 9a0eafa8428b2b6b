import type { IncomingMessage } from '../port.js';

/** A message as the inbox keeps it. Key and headers go as JSON text, which holds any string that a broker may carry. */
export interface MessageRow {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly head: string;
  readonly value: Buffer;
}

export const headOf = ({ key, headers }: IncomingMessage): string => JSON.stringify({ key, headers });

export const messageOf = ({ topic, partition, offset, head, value }: MessageRow): IncomingMessage => {
  const { key, headers } = JSON.parse(head) as Pick<IncomingMessage, 'key' | 'headers'>;
  return { topic, partition, offset, key, headers, value };
};
