import { writeFileSync } from 'node:fs';
import { EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { readCaseFile } from './case-file.js';
import { readPolicy } from './read-files.js';
import { runCases } from './run-cases.js';
import type { CasesResult } from './run-cases.js';

export const testPolicies = (terminal: Terminal, files: readonly string[], options: { readonly json?: boolean; readonly junit?: string }): number => {
  const results = files.map((file) => {
    const cases = readCaseFile(file);
    return runCases(cases, readPolicy(cases.policy));
  });
  if (options.junit !== undefined) writeFileSync(options.junit, junit(results));
  if (options.json === true) line(terminal, JSON.stringify(results));
  else print(terminal, results);
  return results.some(({ results: cases }) => cases.some(({ differences }) => differences.length > 0)) ? EXIT.no : EXIT.done;
};

const print = (terminal: Terminal, files: readonly CasesResult[]): void => {
  for (const { file, results, covered, rules, unnoticed } of files) {
    for (const { name, line: at, differences } of results) {
      if (differences.length === 0) continue;
      line(terminal, `${file}:${at}: ${name}`);
      for (const difference of differences) line(terminal, `  ${difference}`);
    }
    const failed = results.filter(({ differences }) => differences.length > 0).length;
    line(terminal, `${file}: ${results.length - failed} passed, ${failed} failed, ${covered.length} of ${rules.length} rules matched`);
    const never = rules.filter((id) => !covered.includes(id));
    if (never.length > 0) line(terminal, `  no case matches ${never.join(', ')}`);
    const unseen = unnoticed.filter((id) => covered.includes(id));
    if (unseen.length > 0) line(terminal, `  no case would notice if these were gone: ${unseen.join(', ')}`);
  }
};

/** The report that build servers read. */
const junit = (files: readonly CasesResult[]): string => {
  const suites = files.map(({ file, results }) => {
    const cases = results.map(({ name, differences }) => `    <testcase classname="${xml(file)}" name="${xml(name)}">${differences.length === 0 ? '' : `<failure message="${xml(differences[0] ?? '')}">${xml(differences.join('\n'))}</failure>`}</testcase>`);
    return `  <testsuite name="${xml(file)}" tests="${results.length}" failures="${results.filter(({ differences }) => differences.length > 0).length}">\n${cases.join('\n')}\n  </testsuite>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join('\n')}\n</testsuites>\n`;
};

/** Control characters cannot stand in XML 1.0 at all. */
const xml = (text: string): string =>
  [...text]
    .filter((letter) => letter >= ' ' || letter === '\n' || letter === '\t')
    .join('')
    .replace(/[&<>"]/g, (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[letter] ?? '');
