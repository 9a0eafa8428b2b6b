import type { Duplex } from 'node:stream';
import { Problem, PROBLEM_CONTENT_TYPE } from '../problem/problem.js';

const HEADERS_TOO_LARGE = 'HPE_HEADER_OVERFLOW';

/** What is not HTTP never reaches a route (`clientError` of node:http); it is answered with a problem all the same, and the connection ends. */
export const refuseUnreadable = (error: NodeJS.ErrnoException, socket: Duplex): void => {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const problem = error.code === HEADERS_TOO_LARGE ? new Problem('TOO_LARGE', 'the headers are too large') : new Problem('MALFORMED', 'not an HTTP request');
  const body = JSON.stringify(problem.document());
  socket.end(`HTTP/1.1 ${problem.status} ${problem.code}\r\ncontent-type: ${PROBLEM_CONTENT_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\r\n${body}`);
};
