import { describe, expect, test } from '@jest/globals';
import { projects, testFiles } from './projects.js';
import type { Project, SourceFile } from './projects.js';

/** style.md section 2. What a project of a type may import of the workspace, and of npm; each with the reason a reader gets. */
const ROOMS: Readonly<Record<string, { readonly workspace: readonly string[]; readonly npm: 'any' | readonly string[]; readonly because: string }>> = {
  contracts: { workspace: [], npm: [], because: 'contracts is what everything else agrees on; it leans on nothing' },
  kernel: { workspace: ['contracts', 'kernel'], npm: ['canonicalize'], because: 'hashing and proving must be readable to the end' },
  domain: { workspace: ['contracts', 'kernel', 'domain'], npm: [], because: 'deciders are pure: what they decide hangs on their arguments alone' },
  platform: { workspace: ['contracts', 'kernel', 'platform'], npm: 'any', because: 'platform knows no business words' },
  sdk: { workspace: ['contracts', 'kernel', 'domain'], npm: [], because: 'agents and tools import it; it brings nothing along, and of the domains only caps, the one place that says what is narrower' },
  app: { workspace: ['contracts', 'kernel', 'domain', 'platform', 'sdk'], npm: 'any', because: 'a service never imports another service' },
  verifier: { workspace: ['contracts', 'kernel', 'domain'], npm: ['commander'], because: 'the verifier trusts no service and needs no database' },
  composition: { workspace: ['contracts', 'kernel', 'platform', 'sdk', 'app', 'composition', 'verifier'], npm: 'any', because: 'composition has no logic of its own' },
  testing: { workspace: ['contracts', 'kernel', 'platform', 'sdk', 'domain'], npm: 'any', because: 'testing is never imported by production code' },
};
/** Domain code one scope may borrow from another, on purpose. */
const SHARED_DOMAINS = ['@exequatur/caps'];
const BORROWED: Readonly<Record<string, readonly string[]>> = { reservations: ['policy'] };

const byName = new Map(projects.map((project) => [project.name, project]));
const production = (project: Project): readonly SourceFile[] => project.files.filter((file) => !file.test);
const isNpm = (specifier: string): boolean => !specifier.startsWith('.') && !specifier.startsWith('node:') && !specifier.startsWith('@exequatur/');

test('there are projects to judge', () => {
  expect(projects.length).toBeGreaterThan(20);
});

describe.each(projects.map((project) => [project.name, project] as const))('%s', (_, project) => {
  const room = ROOMS[project.type ?? ''];

  test('has a known type tag and a scope tag', () => {
    expect(room).toBeDefined();
    expect(project.scope).toMatch(/^(policy|approvals|reservations|executor|audit|shared)$/);
  });

  test('declares every workspace package it imports, and uses every one it declares', () => {
    const importedBy = (files: readonly SourceFile[]): string[] => [...new Set(files.flatMap((file) => file.imports.filter((each) => each.startsWith('@exequatur/') && each !== project.name)))];
    const everywhere = importedBy(project.files);
    const declared = [...project.declared, ...project.declaredForTests];
    expect(importedBy(production(project)).filter((each) => !project.declared.includes(each))).toEqual([]);
    expect(everywhere.filter((each) => !declared.includes(each))).toEqual([]);
    expect(declared.filter((each) => !everywhere.includes(each))).toEqual([]);
  });

  test(`imports only what its room may: ${room?.because ?? 'unknown room'}`, () => {
    const wrong = production(project).flatMap((file) =>
      file.imports
        .filter((specifier) => specifier.startsWith('@exequatur/'))
        .filter((specifier) => {
          const other = byName.get(specifier);
          if (other === undefined) return true;
          if (!room?.workspace.includes(other.type ?? '')) return true;
          if (other.type !== 'domain' || SHARED_DOMAINS.includes(specifier) || project.type === 'verifier') return false;
          return other.scope !== project.scope && !(BORROWED[project.scope ?? ''] ?? []).includes(other.scope ?? '');
        })
        .map((specifier) => `${file.path}: ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  test('imports only the npm packages its room may', () => {
    const allowed = room?.npm ?? [];
    const wrong = production(project).flatMap((file) => file.imports.filter(isNpm).filter((specifier) => allowed !== 'any' && !allowed.includes(specifier)).map((specifier) => `${file.path}: ${specifier}`));
    expect(wrong).toEqual([]);
  });
});

const everything: readonly SourceFile[] = [...projects.flatMap((project) => project.files), ...testFiles];
const importers = (specifier: string | RegExp): string[] => everything.filter((file) => file.imports.some((each) => (typeof specifier === 'string' ? each === specifier : specifier.test(each)))).map((file) => file.path);

test('kafkajs lives in libs/messaging only: it is unmaintained, so one room knows it', () => {
  expect(importers('kafkajs').filter((path) => !path.startsWith('libs/messaging/'))).toEqual([]);
});

test('no business flow over an in-memory bus: cqrs EventBus, sagas and AggregateRoot swallow errors', () => {
  const wrong = everything.filter((file) => file.imports.includes('@nestjs/cqrs') && /\b(EventBus|Saga|AggregateRoot|EventsHandler)\b/.test(file.text)).map((file) => file.path);
  expect(wrong).toEqual([]);
});

test('testing code is imported by tests only', () => {
  const wrong = projects.filter((project) => project.type !== 'testing').flatMap((project) => production(project).filter((file) => file.imports.includes('@exequatur/testing')).map((file) => file.path));
  expect(wrong).toEqual([]);
});

test('deciders know no clock, no chance and no process', () => {
  const wrong = projects
    .filter((project) => project.type === 'domain')
    .flatMap((project) => production(project).filter((file) => /\bDate\.now\(|new Date\(\)|Math\.random|process\.(env|argv|cwd)|performance\.now/.test(file.text)).map((file) => file.path));
  expect(wrong).toEqual([]);
});

test('names that say nothing do not occur', () => {
  const wrong = everything.filter((file) => /(^|\/)(utils?|helpers?|common|misc|base|manager)(\.|\/)/i.test(file.path) || /class \w*(Manager|Helper|Util)\b|class Base[A-Z]/.test(file.text)).map((file) => file.path);
  expect(wrong).toEqual([]);
});

test('no unfinished work is left behind', () => {
  const marks = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', '@ts-' + 'ignore', '@ts-' + 'nocheck', 'eslint-' + 'disable'].map((mark) => `(?<!\\w)${mark}(?!\\w)`).join('|'));
  const skips = /\b(test|it|describe)\.(skip|only|todo)\b|\bx(it|describe)\(/;
  expect(everything.filter((file) => marks.test(file.text) || skips.test(file.text)).map((file) => file.path).filter((path) => path !== 'test/architecture/rooms.spec.ts')).toEqual([]);
});

test('sizes: files past 300 lines are printed, not refused', () => {
  const long = everything.map((file) => ({ path: file.path, lines: file.text.split('\n').length })).filter((file) => file.lines > 300);
  if (long.length > 0) console.log(`files over 300 lines:\n${long.map((file) => `  ${file.lines} ${file.path}`).join('\n')}`);
  expect(long.filter((file) => file.lines > 1_000)).toEqual([]);
});
