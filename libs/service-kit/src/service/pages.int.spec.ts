import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { Database } from '../database/database.js';
import { PagesModule } from '../spec/pages.module.js';
import { addPerson } from '../spec/test-credentials.js';
import { FirstTables1700000000000, testInstallation } from '../spec/test-installation.js';
import { createService } from './create-service.js';
import type { RunningService } from './service-definition.js';

describe('pages', () => {
  let postgres: TestPostgres;
  let service: RunningService;
  let origin: string;
  const ask = (path: string, headers: Record<string, string> = {}, init: RequestInit = {}): Promise<Response> => fetch(`${origin}${path}`, { redirect: 'manual', headers, ...init });

  beforeAll(async () => {
    postgres = await startTestPostgres();
    const installation = await testInstallation(postgres);
    service = await createService({ name: 'approvals', module: PagesModule, migrations: [FirstTables1700000000000] }, installation.configOf('approvals'));
    origin = await service.listen();
    await addPerson(service.app.get(Database), 'acme', 'petra', ['approver']);
    await addPerson(service.app.get(Database), 'acme', 'august', ['auditor']);
  });
  afterAll(async () => {
    await service.close();
    await postgres.stop();
  });

  test('a session is the person, with the roles of the directory', async () => {
    const answer = await ask('/queue', { cookie: 'who=petra' });
    expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([200, 'text/html; charset=utf-8', '<p>person/petra</p>']);
  });

  test('without one a visitor is sent to the login; a stranger’s is none', async () => {
    for (const cookie of ['', 'who=nobody']) {
      const answer = await ask('/queue', { cookie });
      expect([answer.status, answer.headers.get('location')]).toEqual([303, '/login']);
    }
  });

  test('the wrong role sees a page that says so', async () => {
    const answer = await ask('/queue', { cookie: 'who=august' });
    expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([403, 'text/html; charset=utf-8', '<p>FORBIDDEN</p>']);
  });

  test('a form is read, and answered by a redirect', async () => {
    const answer = await ask('/queue', { cookie: 'who=petra', 'content-type': 'application/x-www-form-urlencoded' }, { method: 'POST', body: 'decision=approve&__proto__=x' });
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/queue?decided=approve']);
  });

  test('a cookie opens nothing but pages', async () => {
    expect((await ask('/queue-data', { cookie: 'who=petra' })).status).toBe(401);
  });
});
