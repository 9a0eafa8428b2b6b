import { policyDiff } from '@exequatur/policy-domain';
import { EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { readPolicy } from './read-files.js';

export const diffFiles = (terminal: Terminal, before: string, after: string, options: { readonly json?: boolean }): number => {
  const differences = policyDiff(readPolicy(before), readPolicy(after));
  if (options.json === true) line(terminal, JSON.stringify(differences));
  else {
    for (const { part, id, change, before: was, after: is } of differences) {
      line(terminal, `${part} ${id} ${change}`);
      if (was !== undefined) line(terminal, `  - ${JSON.stringify(was)}`);
      if (is !== undefined) line(terminal, `  + ${JSON.stringify(is)}`);
    }
    line(terminal, `${differences.length} ${differences.length === 1 ? 'difference' : 'differences'}`);
  }
  return EXIT.done;
};
