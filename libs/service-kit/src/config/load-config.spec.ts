import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { IsIn } from 'class-validator';
import { ConfigError, loadConfig } from './load-config.js';
import { ServiceConfig } from './service-config.js';

const CANARY = 'canary-2f6a';
const complete = {
  DATABASE_URL: 'postgres://exequatur_policy:secret@localhost:5432/exequatur',
  EXEQUATUR_SIGNING_KEY: '{}',
  EXEQUATUR_TRUSTED_KEYS: '{}',
  EXEQUATUR_KEK: 'A'.repeat(43),
};
const refusalOf = (environment: Record<string, string>): ConfigError => {
  try {
    loadConfig(ServiceConfig, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('it was accepted');
};

describe('loadConfig', () => {
  const directory = mkdtempSync(join(tmpdir(), 'exequatur-config-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  test('reads what is given, keeps defaults for the rest, and freezes it', () => {
    const config = loadConfig(ServiceConfig, { ...complete, PORT: '8081' });
    expect(config).toMatchObject({ PORT: 8081, HOST: '127.0.0.1', EXEQUATUR_TRANSPORT: 'postgres' });
    expect(() => Object.assign(config, { PORT: 1 })).toThrow(TypeError);
  });

  test('names every variable at fault with what it must be, and no value', () => {
    const { message, faults } = refusalOf({ ...complete, DATABASE_URL: CANARY, PORT: CANARY, LOG_LEVEL: CANARY, EXEQUATUR_KEK: CANARY, EXEQUATUR_TRANSPORT: CANARY });
    for (const name of ['DATABASE_URL', 'PORT', 'LOG_LEVEL', 'EXEQUATUR_KEK', 'EXEQUATUR_TRANSPORT']) expect(message).toContain(name);
    expect(faults).toContain('DATABASE_URL must be a postgres:// connection string');
    expect(message).not.toContain(CANARY);
  });

  test('names what is missing', () => {
    expect(refusalOf({}).message).toMatch(/DATABASE_URL.*EXEQUATUR_SIGNING_KEY.*EXEQUATUR_TRUSTED_KEYS.*EXEQUATUR_KEK/);
  });

  test('Kafka needs brokers', () => {
    expect(refusalOf({ ...complete, EXEQUATUR_TRANSPORT: 'kafka' }).message).toContain('KAFKA_BROKERS must be host:port');
    expect(loadConfig(ServiceConfig, { ...complete, EXEQUATUR_TRANSPORT: 'kafka', KAFKA_BROKERS: 'a:9092,b:9092' }).KAFKA_BROKERS).toBe('a:9092,b:9092');
  });

  test('a secret may come from a file, without the line break at its end', () => {
    const path = join(directory, 'kek');
    writeFileSync(path, `${'B'.repeat(43)}\n`);
    const { EXEQUATUR_KEK: _, ...rest } = complete;
    expect(loadConfig(ServiceConfig, { ...rest, EXEQUATUR_KEK_FILE: path }).EXEQUATUR_KEK).toBe('B'.repeat(43));
  });

  test('both forms at once are refused, and so is a file that is not there', () => {
    expect(refusalOf({ ...complete, EXEQUATUR_KEK_FILE: '/somewhere' }).message).toContain('EXEQUATUR_KEK and EXEQUATUR_KEK_FILE are both set');
    const { EXEQUATUR_KEK: _, ...rest } = complete;
    expect(refusalOf({ ...rest, EXEQUATUR_KEK_FILE: join(directory, 'absent') }).message).toContain('EXEQUATUR_KEK_FILE names a file that cannot be read (ENOENT)');
  });

  test('files of other programs are left alone', () => {
    expect(loadConfig(ServiceConfig, { ...complete, SOMEBODY_ELSES_FILE: join(directory, 'absent') })).not.toHaveProperty('SOMEBODY_ELSES');
  });

  test('an app adds fields of its own', () => {
    class AppConfig extends ServiceConfig {
      @IsIn(['a', 'b'])
      FLAVOUR: string = 'a';
    }
    expect(loadConfig(AppConfig, { ...complete, FLAVOUR: 'b' })).toMatchObject({ FLAVOUR: 'b', PORT: 0 });
    expect(() => loadConfig(AppConfig, { ...complete, FLAVOUR: 'c' })).toThrow('FLAVOUR');
  });
});
