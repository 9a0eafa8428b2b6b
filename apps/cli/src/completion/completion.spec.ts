import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { run } from '../index.js';

const exequatur = async (...args: string[]): Promise<{ exit: number; out: string; err: string }> => {
  let [out, err] = ['', ''];
  const exit = await run(args, { out: (text) => (out += text), err: (text) => (err += text), env: {} });
  return { exit, out, err };
};
const words = async (...typed: string[]): Promise<readonly string[]> => (await exequatur('completion', 'words', '--', ...typed)).out.split('\n').filter((word) => word !== '');

describe('exequatur completion', () => {
  test('knows the commands as they are', async () => {
    expect(await words()).toEqual(expect.arrayContaining(['policy', 'kinds', 'actions', 'completion', '--help']));
    expect(await words('actions')).toEqual(expect.arrayContaining(['propose', 'show', 'wait', 'watch']));
    expect(await words('actions', 'wait')).toEqual(expect.arrayContaining(['--timeout', '--json']));
    expect(await words('actions', 'wait', '--json')).not.toContain('--json');
    expect(await words('completion')).toEqual(expect.arrayContaining(['bash', 'zsh', 'fish']));
    expect(await words('completion')).not.toContain('words');
  });

  test('prints a script that its shell can read', async () => {
    const { exit, out } = await exequatur('completion', 'bash');
    expect(exit).toBe(0);
    const read = spawnSync('bash', ['-c', `${out}\nexequatur() { printf 'propose\\nshow\\nwait\\nwatch\\n'; }\nCOMP_WORDS=(exequatur actions wa); COMP_CWORD=2; _exequatur; printf '%s\\n' "\${COMPREPLY[@]}"`], { encoding: 'utf8' });
    expect([read.stderr, read.stdout]).toEqual(['', 'wait\nwatch\n']);
    for (const shell of ['zsh', 'fish']) expect((await exequatur('completion', shell)).out).toContain('exequatur completion words --');
    expect((await exequatur('completion', 'tcsh')).exit).toBe(2);
  });

  test('every command has help with an example; the exit codes stand in the help of all', async () => {
    expect((await exequatur('--help')).out).toContain('Exit codes: 0 done, 1 the answer is no');
    for (const command of ['kinds', 'kinds classify', 'actions propose', 'actions show', 'actions wait', 'actions watch', 'completion']) expect([command, (await exequatur(...command.split(' '), '--help')).out]).toEqual([command, expect.stringMatching(/Examples?:/)]);
    expect(await exequatur('actions', 'show', 'x')).toMatchObject({ exit: 2, err: expect.stringContaining('EXEQUATUR_URL') });
    expect((await exequatur('actions', 'sho')).exit).toBe(2);
  });
});
