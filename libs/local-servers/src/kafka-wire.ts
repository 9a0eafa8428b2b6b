import { connect } from 'node:net';

/**
 * One request to a Kafka broker over a connection of its own, just enough to see that it answers
 * (https://kafka.apache.org/protocol). Request header version 1: key, version, correlation id, client id.
 */
const frame = (apiKey: number, apiVersion: number, body: Buffer): Buffer => {
  const clientId = Buffer.from('exequatur-probe');
  const header = Buffer.alloc(10);
  header.writeInt16BE(apiKey, 0);
  header.writeInt16BE(apiVersion, 2);
  header.writeInt32BE(1, 4);
  header.writeInt16BE(clientId.length, 8);
  const content = Buffer.concat([header, clientId, body]);
  const size = Buffer.alloc(4);
  size.writeInt32BE(content.length);
  return Buffer.concat([size, content]);
};

/** The answer's bytes after size and correlation id. Rejects when the broker refuses, hangs up or is silent for `withinMs`. */
export const askBroker = (port: number, apiKey: number, apiVersion: number, body: Buffer, withinMs = 2_000): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(frame(apiKey, apiVersion, body)));
    let received: Buffer = Buffer.alloc(0);
    const finish = (settle: () => void): void => {
      socket.destroy();
      settle();
    };
    socket.setTimeout(withinMs, () => finish(() => reject(new Error('the broker is silent'))));
    socket.once('error', (error) => finish(() => reject(error)));
    socket.once('close', () => reject(new Error('the broker hung up')));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) finish(() => resolve(received.subarray(8)));
    });
  });

const apiVersionsKey = 18;

/** Whether the broker serves clients: it opens its port to requests only once it is registered and unfenced. */
export const brokerAnswers = async (port: number): Promise<boolean> => {
  try {
    return (await askBroker(port, apiVersionsKey, 0, Buffer.alloc(0))).readInt16BE(0) === 0;
  } catch {
    return false;
  }
};
