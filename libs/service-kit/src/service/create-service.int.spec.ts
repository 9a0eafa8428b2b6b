import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { NotesModule } from '../spec/notes.module.js';
import { FirstTables1700000000000, testInstallation, type TestInstallation } from '../spec/test-installation.js';
import { createService } from './create-service.js';
import type { RunningService } from './service-definition.js';

describe('createService', () => {
  let postgres: TestPostgres;
  let installation: TestInstallation;
  let service: RunningService;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    installation = await testInstallation(postgres);
    service = await createService({ name: 'executor', module: NotesModule, migrations: [FirstTables1700000000000] }, installation.configOf('executor'));
  });
  afterAll(async () => {
    await service.close();
    await postgres.stop();
  });

  test('answers on its own port', async () => {
    const origin = await service.listen();
    const answer = await fetch(`${origin}/readyz`);
    expect(await answer.json()).toMatchObject({ ready: true });
    expect(answer.status).toBe(200);
  });
});
