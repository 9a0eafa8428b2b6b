import { describe, expect, test } from '@jest/globals';
import { createLogger } from './logger.js';

const CANARY = 'canary-90b1';

const linesOf = (write: (log: ReturnType<typeof createLogger>) => void): string => {
  let written = '';
  write(createLogger('policy', 'debug', { write: (line: string) => void (written += line) }));
  return written;
};

describe('invariant 30: secrets stay out of logs', () => {
  test.each(['authorization', 'cookie', 'token', 'password', 'arguments', 'sealed', 'token_hash'])('the field %s, at any of three levels', (field) => {
    const text = linesOf((log) => log.info({ [field]: CANARY, a: { [field]: CANARY, b: { [field]: CANARY } }, headers: { [field]: CANARY } }, 'words'));
    expect(text).not.toContain(CANARY);
    expect(text).toContain('words');
  });

  test('credentials inside the text of an error', () => {
    const secrets = ['exq_agent_s3cr3t', 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ4In0.c2ln'];
    const text = linesOf((log) => log.error({ err: new Error(`refused ${secrets.join(' and ')}`, { cause: new Error(secrets[0]) }) }, 'failed'));
    for (const secret of secrets) expect(text).not.toContain(secret);
    expect(text).toContain('refused [redacted] and [redacted]');
  });

  test('what a database error quotes', () => {
    const error = Object.assign(new Error('duplicate key'), { code: '23505', detail: `Key (x)=(${CANARY})`, query: CANARY, parameters: [CANARY] });
    const text = linesOf((log) => log.error({ err: error }, 'failed'));
    expect(text).not.toContain(CANARY);
    expect(JSON.parse(text)).toMatchObject({ service: 'policy', level: 'error', err: { code: '23505', message: 'duplicate key' } });
  });
});
