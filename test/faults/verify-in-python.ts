import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../verifier-python/verify_export.py', import.meta.url));
const succeeds = (...argv: string[]): boolean => spawnSync('python3', argv, { stdio: 'ignore' }).status === 0;

/** The second verifier needs python3; with its package `cryptography` it is fast. */
export const havePython = succeeds('-c', 'import sys; sys.exit(sys.version_info < (3, 9))');
export const haveCryptography = havePython && succeeds('-c', 'import cryptography');

export interface PythonVerdict {
  readonly export: string;
  readonly result: 'valid' | 'invalid' | 'incomplete';
  readonly leaves: number;
  readonly places: readonly number[];
  readonly findings: readonly (readonly [leaf: number | null, why: string])[];
}

/** One run over several exports, each with its verdict. @throws Error when the program itself fails */
export const verifyInPython = ({ keys, heads = [], witnesses = [], exports }: { readonly keys: string; readonly heads?: readonly string[]; readonly witnesses?: readonly string[]; readonly exports: readonly string[] }): Promise<readonly PythonVerdict[]> => {
  const argv = [PROGRAM, '--trusted-keys', keys, ...heads.flatMap((head) => ['--tree-head', head]), ...witnesses.flatMap((witness) => ['--witness', witness]), ...exports];
  return new Promise((resolve, reject) => {
    // Its exit code says what it found, which the verdicts say too.
    execFile('python3', ['-B', ...argv], { encoding: 'utf8', maxBuffer: 256 << 20 }, (error, stdout, stderr) => {
      const verdicts = stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line) as PythonVerdict);
      if (verdicts.length === exports.length) resolve(verdicts);
      else reject(new Error(`the second verifier ended with ${String(error?.code)}: ${stderr}`));
    });
  });
};
