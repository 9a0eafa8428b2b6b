import { readFileSync } from 'node:fs';
import { MAX_POLICY_BYTES, policyFile } from '@exequatur/policy-domain';
import type { LocatedFinding, Policy } from '@exequatur/policy-domain';
import { policyLanguages, readPolicyText } from '@exequatur/policy-languages';
import { CommandFailed, EXIT } from '../terminal.js';

/** @throws CommandFailed when it cannot be read, or is longer than a server would take */
export const readText = (file: string, mostBytes = MAX_POLICY_BYTES): string => {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandFailed(EXIT.usage, `${file}: ${(error as { readonly code?: string }).code === 'ENOENT' ? 'no such file' : 'cannot be read'}`);
  }
  if (Buffer.byteLength(text) > mostBytes) throw new CommandFailed(EXIT.no, `${file}: has more than ${mostBytes} bytes`);
  return text;
};

/** As editors and compilers write it: a click leads to the place. */
export const findingText = (file: string, { line, column, message, path }: LocatedFinding): string => `${file}:${line}:${column}: ${message}${path === '' ? '' : ` (${path})`}`;

/** @throws CommandFailed with every fault */
export const readPolicy = (file: string): Policy => {
  const read = policyFile(readText(file), readPolicyText, policyLanguages);
  if (!read.ok) throw new CommandFailed(EXIT.no, read.findings.map((finding) => findingText(file, finding)).join('\n'));
  return read.policy;
};
