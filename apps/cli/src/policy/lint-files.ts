import { policyFile } from '@exequatur/policy-domain';
import { policyLanguages, readPolicyText } from '@exequatur/policy-languages';
import { EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { findingText, readText } from './read-files.js';

export const lintFiles = (terminal: Terminal, files: readonly string[], options: { readonly json?: boolean }): number => {
  const results = files.map((file) => {
    const read = policyFile(readText(file), readPolicyText, policyLanguages);
    return { file, findings: read.ok ? [] : read.findings };
  });
  const faults = results.flatMap(({ findings }) => findings).length;
  if (options.json === true) line(terminal, JSON.stringify(results));
  else {
    for (const { file, findings } of results) for (const finding of findings) line(terminal, findingText(file, finding));
    line(terminal, `${files.length} ${files.length === 1 ? 'file' : 'files'}, ${faults} ${faults === 1 ? 'fault' : 'faults'}`);
  }
  return faults === 0 ? EXIT.done : EXIT.no;
};
