import type { IncomingMessage } from 'node:http';

/** @throws Error when the caller goes away or the body is larger; the connection is then to be closed */
export const readBody = async (incoming: IncomingMessage, largestBytes: number): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > largestBytes) throw new Error('body too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};
