import { SetMetadata, type CustomDecorator } from '@nestjs/common';
import { parseStrict } from '@exequatur/kernel';
import type { FastifyInstance } from 'fastify';
import type { HttpRequest } from './http-request.js';
import { HTTP_LIMITS } from './limits.js';

export const CONSUMES = 'exequatur:consumes';

/** Media types a route takes besides `application/json`, e.g. `application/jose`; pages take forms without saying so. */
export const Consumes = (...mediaTypes: readonly ('application/jose' | 'text/plain' | 'application/octet-stream' | 'application/x-www-form-urlencoded')[]): CustomDecorator => SetMetadata(CONSUMES, mediaTypes);

export const JSON_TYPE = 'application/json';
export const FORM_TYPE = 'application/x-www-form-urlencoded';
const OCTET_TYPE = 'application/octet-stream';
const TEXT_TYPES = ['application/jose', 'text/plain'];

const MAX_FORM_FIELDS = 200;

/** Fields of a form; a repeated name keeps its last value. The object has no prototype, so no name is special. */
const formOf = (body: Buffer): Readonly<Record<string, string>> => {
  const fields: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of [...new URLSearchParams(body.toString('utf8'))].slice(0, MAX_FORM_FIELDS)) fields[name] = value;
  return fields;
};

/**
 * Bodies are read as bytes, kept on the request, and JSON is read by the strict parse only. Every other media type than these
 * is refused by Fastify (415); which of them a route takes is the guard's to say.
 */
export const registerBodies = (server: FastifyInstance): void => {
  server.removeAllContentTypeParsers();
  const parse = (mediaTypes: string | string[], read: (body: Buffer) => unknown, bodyLimit: number = HTTP_LIMITS.bodyBytes): void =>
    void server.addContentTypeParser(mediaTypes, { parseAs: 'buffer', bodyLimit }, (request: HttpRequest, body: Buffer, done) => {
      // A content type without a body is how many clients send "no body".
      if (body.length === 0) return done(null, undefined);
      request.rawBody = body;
      try {
        return done(null, read(body));
      } catch (error) {
        return done(error as Error, undefined);
      }
    });
  parse(JSON_TYPE, parseStrict);
  parse(TEXT_TYPES, (body) => body.toString('utf8'));
  parse(FORM_TYPE, formOf);
  parse(OCTET_TYPE, (body) => body, HTTP_LIMITS.octetBytes);
};

/** Media type of the request's body without parameters, lower case; undefined when it has none. */
export const mediaTypeOf = (request: HttpRequest): string | undefined => request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
