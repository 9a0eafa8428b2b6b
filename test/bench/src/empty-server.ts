import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Reads the request to its end and answers at once: HTTP alone, nothing decided. */
const server = createServer((request, response) => {
  request.resume().on('end', () => response.writeHead(201, { 'content-type': 'application/json' }).end('{"reservation_id":"00000000-0000-7000-8000-000000000000","status":"Held"}'));
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
