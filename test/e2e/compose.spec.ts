import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { parse } from 'yaml';
import { ALL_TOPICS, SERVICES } from '@exequatur/contracts';
import { ConfigError, loadConfig, newInstallationSecrets, roleOf } from '@exequatur/service-kit';
import { describeWithKafka, startTestKafka, startTestPostgres, testKafkaStartMs } from '@exequatur/testing';
import type { TestKafka, TestPostgres } from '@exequatur/testing';
import { DEFINITIONS } from '../../apps/standalone/src/definitions.js';
import { topicsOf } from './kafka-metadata.js';
import { start, temporaryDirectory } from './programs.js';

const SLOW = 300_000;

interface ComposeService {
  readonly image: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[]; readonly interval: string; readonly timeout: string; readonly retries: number };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
}
interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** Compose without an engine: what can be known of it from the file, and its two jobs run for real. */
describe('docker-compose.yml', () => {
  const compose = parse(readFileSync('docker-compose.yml', 'utf8'), { merge: true }) as Compose;
  const serviceOf = (name: string): ComposeService => {
    const found = compose.services[name];
    if (found === undefined) throw new Error(`docker-compose.yml has no service ${name}`);
    return found;
  };
  const all = Object.entries(compose.services);
  const directory = temporaryDirectory();
  afterAll(() => directory.remove());

  /** The environment as the container sees it, with the secrets volume in a directory of ours. */
  const environmentOf = (name: string): Record<string, string> => {
    const secrets = newInstallationSecrets();
    const contents: Readonly<Record<string, string>> = {
      'trusted-keys.json': secrets.trustedKeys,
      'key-encryption-key': secrets.keyEncryptionKey,
      'admin-token-hash': secrets.adminTokenHash,
      'session-secret': randomBytes(32).toString('base64url'),
      ...Object.fromEntries(SERVICES.flatMap((service) => [[`${service}.signing-key.json`, secrets.signingKeys[service]], [`${service}.database-url`, `postgres://${roleOf(service)}:${secrets.databasePasswords[service]}@postgres:5432/exequatur`]])),
    };
    for (const [file, content] of Object.entries(contents)) writeFileSync(join(directory.path, file), content);
    return Object.fromEntries(Object.entries(serviceOf(name).environment).map(([variable, value]) => [variable, value.replace(/^\/secrets\/secrets\//, `${directory.path}/`)]));
  };

  test('has the five services, PostgreSQL, Kafka and the two jobs', () => {
    expect(Object.keys(compose.services).sort()).toEqual([...SERVICES, 'database', 'kafka', 'postgres', 'topics'].sort());
  });

  test.each(DEFINITIONS.map(({ definition, Config }) => [definition.name, Config] as const))('the environment of %s is one that its configuration class takes, and nothing else', (name, Config) => {
    const environment = environmentOf(name);
    const config = loadConfig(Config, environment) as unknown as Record<string, unknown>;
    expect(config).toMatchObject({ EXEQUATUR_TRANSPORT: 'kafka', KAFKA_BROKERS: 'kafka:9092', HOST: '0.0.0.0', PORT: 8_080, DATABASE_URL: expect.stringContaining(`exequatur_${name}:`), RESERVATIONS_URL: 'http://reservations:8080' });
    expect(JSON.parse(String(config['EXEQUATUR_SIGNING_KEY']))).toMatchObject({ kid: expect.stringContaining(name) });
    expect(Object.keys(environment).map((variable) => variable.replace(/_FILE$/, '')).filter((variable) => config[variable] === undefined)).toEqual([]);
    const { DATABASE_URL_FILE: _left, ...without } = environment;
    expect(() => loadConfig(Config, without)).toThrow(ConfigError);
  });

  test('no service gets a secret of another', () => {
    for (const name of SERVICES) {
      const others = SERVICES.filter((other) => other !== name);
      const named = Object.values(serviceOf(name).environment).filter((value) => others.some((other) => value.includes(`/${other}.`)));
      expect([name, named]).toEqual([name, []]);
    }
  });

  test('what is published is published on this machine only, each port once', () => {
    const ports = all.flatMap(([, { ports: published = [] }]) => published);
    expect(ports).toHaveLength(SERVICES.length);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d{4,5}:8080$/);
    expect(new Set(ports).size).toBe(ports.length);
    expect(new URL(serviceOf('approvals').environment['PUBLIC_URL'] ?? '').host).toBe(serviceOf('approvals').ports?.[0]?.replace(/:8080$/, ''));
  });

  test('images are pinned', () => {
    for (const [name, { image }] of all) expect([name, image]).toEqual([name, expect.stringMatching(/^(exequatur:local|[a-z/]+:\d[\w.-]*)$/)]);
    for (const line of readFileSync('Dockerfile', 'utf8').split('\n').filter((each) => each.startsWith('FROM '))) expect(line).toMatch(/^FROM node:\d+-[a-z-]+( AS \w+)?$/);
  });

  test('whatever runs on is checked for health; whatever starts later waits for it', () => {
    for (const name of [...SERVICES, 'postgres', 'kafka']) expect([name, serviceOf(name).healthcheck]).toEqual([name, { test: expect.arrayContaining(['CMD']), interval: expect.stringMatching(/^\d+s$/), timeout: expect.stringMatching(/^\d+s$/), retries: expect.any(Number) }]);
    for (const name of SERVICES) expect(serviceOf(name).depends_on).toEqual({ database: { condition: 'service_completed_successfully' }, topics: { condition: 'service_completed_successfully' } });
    expect([serviceOf('database').depends_on, serviceOf('topics').depends_on]).toEqual([{ postgres: { condition: 'service_healthy' } }, { kafka: { condition: 'service_healthy' } }]);
  });

  test('services run without rights, on a read-only file system, with read-only secrets; as nobody in particular', () => {
    for (const name of SERVICES) expect(serviceOf(name)).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'], volumes: ['secrets:/secrets:ro'] });
    expect(readFileSync('Dockerfile', 'utf8')).toMatch(/^USER node$/m);
    for (const [, { volumes = [] }] of all) for (const volume of volumes) expect(Object.keys(compose.volumes)).toContain(volume.split(':')[0]);
  });

  test('each command is a program of the image', async () => {
    const asked = await start('tools/entry.mjs', ['nothing']).ended;
    expect(asked.code).toBe(2);
    const programs = /Name the program to run: (.*)\./.exec(asked.stderr)?.[1]?.split(', ') ?? [];
    for (const [name, { command, build }] of all.filter(([, { image }]) => image === 'exequatur:local')) {
      expect([name, build, command?.length]).toEqual([name, '.', 1]);
      expect(programs).toContain(command?.[0]);
    }
    for (const service of SERVICES) expect(serviceOf(service).command).toEqual([service]);
  }, SLOW);

  describe('the database job', () => {
    let postgres: TestPostgres;
    beforeAll(async () => {
      postgres = await startTestPostgres();
    }, SLOW);
    afterAll(() => postgres.stop(), SLOW);

    test('makes a role and a schema for each service and writes the files that the services read; twice is fine', async () => {
      const data = temporaryDirectory();
      const environment = { DATABASE_ADMIN_URL: postgres.url, EXEQUATUR_DATA_DIR: data.path };
      expect(Object.keys(serviceOf('database').environment).sort()).toEqual(Object.keys(environment).sort());
      const run = () => start('tools/entry.mjs', serviceOf('database').command ?? [], environment).ended;
      const first = await run();
      expect([first.code, first.stderr, first.stdout]).toEqual([0, '', 'Database exequatur is ready for policy, approvals, reservations, executor, audit.\n']);
      const files = [...new Set(SERVICES.flatMap((name) => Object.values(serviceOf(name).environment)).filter((value) => value.startsWith('/secrets/')))];
      const contents = (): string[] => files.map((file) => readFileSync(join(data.path, file.replace(/^\/secrets\//, '')), 'utf8'));
      const made = contents();
      for (const file of files) expect([file, statSync(join(data.path, file.replace(/^\/secrets\//, ''))).mode & 0o077]).toEqual([file, 0]);
      expect((await run()).code).toBe(0);
      expect(contents()).toEqual(made);
      for (const service of SERVICES) {
        const client = new pg.Client({ connectionString: readFileSync(join(data.path, 'secrets', `${service}.database-url`), 'utf8') });
        await client.connect();
        const { rows } = await client.query<{ role: string; own: boolean; foreign: number }>(`SELECT current_user AS role, has_schema_privilege($1, 'CREATE') AS own, (SELECT count(*)::integer FROM unnest($2::text[]) AS other WHERE has_schema_privilege(other, 'USAGE')) AS foreign`, [service, SERVICES.filter((other) => other !== service)]);
        await client.end();
        expect(rows).toEqual([{ role: roleOf(service), own: true, foreign: 0 }]);
      }
      data.remove();
    }, SLOW);

    test('without what it needs it says so', async () => {
      expect(await start('tools/entry.mjs', ['prepare-database'], { DATABASE_ADMIN_URL: postgres.url }).ended).toMatchObject({ code: 1, stderr: 'DATABASE_ADMIN_URL and EXEQUATUR_DATA_DIR are needed.\n' });
    }, SLOW);
  });
});

describeWithKafka('the topics job of docker-compose.yml', () => {
  let kafka: TestKafka;
  beforeAll(async () => {
    kafka = await startTestKafka();
  }, testKafkaStartMs);
  afterAll(() => kafka.stop(), SLOW);

  test('creates every topic of contracts with its partitions; twice is fine', async () => {
    const run = () => start('tools/entry.mjs', ['create-topics'], { KAFKA_BROKERS: kafka.brokers }).ended;
    const first = await run();
    expect([first.code, first.stderr, first.stdout]).toEqual([0, '', `${ALL_TOPICS.length} topics are there.\n`]);
    expect((await run()).code).toBe(0);
    const found = [...(await topicsOf(Number(kafka.brokers.split(':')[1])))].filter(([name]) => !name.startsWith('__')).map(([name, partitions]) => ({ name, partitions }));
    const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
    expect(found.sort(byName)).toEqual(ALL_TOPICS.map(({ name, partitions }) => ({ name, partitions })).sort(byName));
  }, SLOW);

  test('without brokers it says so', async () => {
    expect(await start('tools/entry.mjs', ['create-topics']).ended).toMatchObject({ code: 1, stderr: 'KAFKA_BROKERS is needed.\n' });
  }, SLOW);
});
