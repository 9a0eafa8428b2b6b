import 'reflect-metadata';
import { expect, test } from '@jest/globals';
import { loadConfig } from '@exequatur/service-kit';
import { ApprovalsModule } from './approvals.module.js';
import { approvalsService } from './index.js';

test('the definition names the service, its module and its migrations', () => {
  const { definition } = approvalsService;
  expect([definition.name, definition.module]).toEqual(['approvals', ApprovalsModule]);
  expect(definition.migrations.map(({ name }) => name)).toEqual(['FirstApprovals1772000000000', 'DecisionsAndQueue1772100000000', 'Channels1772210000000', 'Reviewing1772220000000', 'DirectoryAccounts1772200000000', 'VotesByPerson1772230000000', 'QueueSortings1772240000000']);
});

test('a short session secret is refused by name, without its value', () => {
  expect(() => loadConfig(approvalsService.Config, { EXEQUATUR_SESSION_SECRET: 'too-short' })).toThrow(/EXEQUATUR_SESSION_SECRET must be at least 32 bytes/);
  expect(() => loadConfig(approvalsService.Config, { EXEQUATUR_SESSION_SECRET: 'too-short' })).not.toThrow(/too-short/);
});

