import { readdirSync, readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

export interface Project {
  readonly name: string;
  readonly directory: string;
  readonly type: string | undefined;
  readonly scope: string | undefined;
  /** workspace packages its production code may import */
  readonly declared: readonly string[];
  /** those its tests may import as well */
  readonly declaredForTests: readonly string[];
  readonly files: readonly SourceFile[];
}

export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly test: boolean;
  readonly imports: readonly string[];
}

const IMPORT = /(?:^|\n)\s*(?:import|export)\s[^;'"]*?from\s+['"]([^'"]+)['"]|(?:^|\n)\s*import\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g;

const sourceFile = (path: string): SourceFile => {
  const text = readFileSync(join(root, path), 'utf8');
  const imports = [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
  return { path, text, test: /\.spec\.ts$|\.contract\.ts$|\/spec\//.test(path), imports };
};

const filesBelow = (directory: string): SourceFile[] =>
  existsSync(join(root, directory))
    ? readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .sort()
        .map((file) => sourceFile(join(directory, file)))
    : [];

const project = (directory: string): Project => {
  const manifest = JSON.parse(readFileSync(join(root, directory, 'package.json'), 'utf8')) as { name: string; dependencies?: Record<string, string>; devDependencies?: Record<string, string>; nx?: { tags?: string[] } };
  const tag = (kind: string): string | undefined => manifest.nx?.tags?.find((each) => each.startsWith(`${kind}:`))?.slice(kind.length + 1);
  return { name: manifest.name, directory, type: tag('type'), scope: tag('scope'), declared: Object.keys(manifest.dependencies ?? {}), declaredForTests: Object.keys(manifest.devDependencies ?? {}), files: filesBelow(join(directory, 'src')) };
};

export const projects: readonly Project[] = ['libs', 'apps'].flatMap((group) => readdirSync(join(root, group)).map((name) => project(join(group, name))));

export const testFiles: readonly SourceFile[] = ['architecture', 'e2e', 'replay', 'faults', 'bench'].flatMap((suite) => filesBelow(join('test', suite)));
