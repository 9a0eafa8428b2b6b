import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import pg from 'pg';
import { inTransaction, pipelined, tolerateConnectionLoss } from './pg-transaction.js';

const failed = (code: string): Promise<never> => Promise.reject(Object.assign(new Error(code), { code }));

test('of statements that fail together the cause is thrown, not what failed because of it', async () => {
  await expect(pipelined(failed('25P02'), Promise.resolve(1), failed('55P03'), failed('23505'))).rejects.toThrow('55P03');
  await expect(pipelined(failed('25P02'), failed('25P02'))).rejects.toThrow('25P02');
  await expect(pipelined(Promise.resolve(1), Promise.resolve('a'))).resolves.toEqual([1, 'a']);
});

/** One message of the PostgreSQL protocol from the server: type, length, body. */
const message = (type: string, body: string): Buffer => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(4 + body.length);
  return Buffer.concat([Buffer.from(type), length, Buffer.from(body)]);
};

test('invariant 20: a server that ends a connection in the packet that opens it fails the work, not the process', async () => {
  const welcome = Buffer.concat([message('R', '\0\0\0\0'), message('Z', 'I')]);
  const goodbye = message('E', 'SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0');
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(Buffer.concat([welcome, goodbye])));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const pool = new pg.Pool({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, user: 'policy', pipeline: true });
  pool.on('error', () => undefined);
  tolerateConnectionLoss(pool);
  try {
    await expect(inTransaction(pool, ['BEGIN'], () => Promise.resolve())).rejects.toThrow();
  } finally {
    await pool.end();
    await new Promise((resolve) => server.close(resolve));
  }
});
