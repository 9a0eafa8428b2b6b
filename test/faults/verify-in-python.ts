import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../verifier-python/verify_export.py', import.meta.url));
const OF_VERSIONS = fileURLToPath(new URL('../verifier-python/verify_changed.py', import.meta.url));
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

/** One process over many changed versions of one export, which is sent only what differs. */
export class PythonOfVersions {
  private readonly waiting: { readonly resolve: (verdict: PythonVerdict) => void; readonly reject: (error: Error) => void }[] = [];
  private readonly places: ReadonlyMap<string, number>;
  private readonly child;
  private said = '';

  /** @param lines those of the file `base`; `anew`: nothing of it is remembered */
  constructor({ keys, heads, base, lines, anew }: { readonly keys: string; readonly heads: readonly string[]; readonly base: string; readonly lines: readonly string[]; readonly anew: boolean }) {
    this.places = new Map(lines.map((line, index) => [line, index]));
    this.child = spawn('python3', ['-B', OF_VERSIONS, '--trusted-keys', keys, ...heads.flatMap((head) => ['--tree-head', head]), ...(anew ? ['--anew'] : []), base], { stdio: ['pipe', 'pipe', 'pipe'] });
    createInterface({ input: this.child.stdout }).on('line', (line) => this.waiting.shift()?.resolve(JSON.parse(line) as PythonVerdict));
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (this.said += text));
    this.child.on('close', (code) => this.waiting.splice(0).forEach(({ reject }) => reject(new Error(`the second verifier ended with ${String(code)}: ${this.said}`))));
    this.child.stdin.on('error', () => undefined);
  }

  verify(lines: readonly string[]): Promise<PythonVerdict> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.child.stdin.write(`${JSON.stringify(this.partsOf(lines))}\n`);
    });
  }

  async end(): Promise<void> {
    this.child.stdin.end();
    if (this.child.exitCode === null) await once(this.child, 'close');
  }

  private partsOf(lines: readonly string[]): readonly (string | readonly [from: number, to: number])[] {
    const parts: (string | [number, number])[] = [];
    for (const line of lines) {
      const place = this.places.get(line);
      const last = parts.at(-1);
      if (place === undefined) parts.push(line);
      else if (Array.isArray(last) && last[1] === place) last[1] = place + 1;
      else parts.push([place, place + 1]);
    }
    return parts;
  }
}
