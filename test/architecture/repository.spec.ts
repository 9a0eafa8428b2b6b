import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { REFERENCE_PAGES } from '@exequatur/contracts';
import { root } from './projects.js';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const tracked = (): string[] => execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' }).split('\0').filter((path) => path !== '' && existsSync(join(root, path)));

interface LockEntry {
  readonly license?: string;
  readonly link?: boolean;
  readonly resolved?: string;
  readonly dev?: boolean;
}
const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockEntry> };

describe('dependencies', () => {
  const permissive = /^\(?(MIT|MIT-0|ISC|Apache-2\.0|BSD-2-Clause|BSD-3-Clause|0BSD|BlueOak-1\.0\.0|CC0-1\.0|CC-BY-4\.0|CC-BY-3\.0|Unlicense|Python-2\.0|PostgreSQL|Zlib)( (OR|AND) .*)?\)?$/;
  /** Licences that the lock file does not state, read in the package itself. */
  const readByHand: Readonly<Record<string, string>> = {};

  test('every package has a permissive licence', () => {
    const wrong = Object.entries(lock.packages)
      .filter(([path, entry]) => path.startsWith('node_modules/') && !entry.link)
      .map(([path, entry]) => [path, entry.license ?? readByHand[path] ?? 'none stated'] as const)
      .filter(([, license]) => !permissive.test(license));
    expect(wrong).toEqual([]);
  });

  test('versions in package.json are exact', () => {
    const manifest = JSON.parse(read('package.json')) as Record<'dependencies' | 'devDependencies', Record<string, string>>;
    const loose = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version));
    expect(loose).toEqual([]);
  });

  test('the lock file records no download addresses', () => {
    expect(Object.values(lock.packages).filter((entry) => entry.resolved?.includes('://'))).toEqual([]);
  });
});

test('no machine path and no registry host stands in a tracked file', () => {
  const leak = new RegExp(['/wo' + 'rk/', '/ro' + 'ot/', 'regis' + 'try\\.npm', 'repo1\\.ma' + 'ven', 'deb\\.deb' + 'ian'].join('|'));
  expect(tracked().filter((path) => /\.(ts|mjs|js|json|md|yml|yaml|sh|patch|html|css)$|\.ci\/run|Dockerfile/.test(path) && path !== 'package-lock.json' && leak.test(read(path)))).toEqual([]);
});

describe('docs', () => {
  test.each(Object.entries(REFERENCE_PAGES))('docs/reference/%s is what `node tools/reference.mjs` writes', (file, page) => {
    expect(read(join('docs', 'reference', file))).toBe(page());
  });

  const pages = tracked().filter((path) => path.endsWith('.md'));

  test('every link to a file leads to one', () => {
    const broken = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)]*)?\)/g)].map(([, target]) => target ?? '').filter((target) => !existsSync(join(root, dirname(page), target))).map((target) => `${page}: ${target}`),
    );
    expect(broken).toEqual([]);
  });

  test('docs/features.md has every promise once, and each that works names a test that exists', () => {
    const rows = [...read('docs/features.md').matchAll(/^\| ([PARXEO]\d+) \|.*\| (works|partly|not yet) \|(.*)\|$/gm)].map(([, id, state, shown]) => ({ id, state, shown: shown ?? '' }));
    const promised = ['P', 'A', 'R', 'X', 'E', 'O'].flatMap((letter) => Array.from({ length: { P: 11, A: 12, R: 12, X: 5, E: 5, O: 9 }[letter] ?? 0 }, (_, index) => `${letter}${index + 1}`));
    expect(rows.map((row) => row.id).sort()).toEqual(promised.sort());
    const named = (shown: string): string[] => [...shown.matchAll(/`([^`]+\.spec\.ts)`/g)].map(([, path]) => path ?? '');
    expect(rows.filter((row) => row.state !== 'not yet' && named(row.shown).length === 0).map((row) => row.id)).toEqual([]);
    expect(rows.flatMap((row) => named(row.shown)).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
