import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Instance } from './instance.js';
import { expectThat } from './narrator.js';
import type { Narrator } from './narrator.js';
import type { Setting } from './setting.js';

interface Receipt {
  readonly outcome?: string;
  readonly steps: readonly { readonly type: string; readonly event_hash: string }[];
}

/** The receipt of the mail, then the whole log, checked offline by the verifier's own program, and once more with one byte flipped. */
export const evidence = async (narrator: Narrator, setting: Setting, instance: Instance, actionId: string): Promise<void> => {
  narrator.chapter('Evidence');
  const directory = mkdtempSync(join(tmpdir(), 'exequatur-evidence-'));
  const log = join(directory, 'export.jsonl');
  try {
    await narrator.step('One receipt ties the mail together', async () => {
      const receipt = await completeReceipt(setting, actionId);
      return { verdict: receipt.outcome ?? '', notes: [receipt.steps.map((step) => step.type.split('.')[3] ?? step.type).join(' → ')] };
    });
    await narrator.step('The log, exported and verified offline', async () => {
      const output = await settledExport(log, instance, setting);
      const { counts } = JSON.parse(output) as { counts: { leaves: number; claims: number } };
      return { verdict: 'valid', notes: [`${counts.leaves} events, ${counts.claims} claims: hashes, signatures, tree heads and invariants hold`] };
    });
    await narrator.step('One byte flipped in the export', async () => {
      const flipped = flipOneByte(readFileSync(log, 'utf8'));
      writeFileSync(log, flipped.text);
      const { exitCode, output } = await verify(log, instance.trustedKeysFile);
      expectThat(exitCode === 1, `the verifier said ${exitCode}`);
      const report = JSON.parse(output) as { violations: readonly { sequence?: number; message?: string }[] };
      expectThat(report.violations.some((violation) => violation.sequence === flipped.sequence), `it was not found at event ${flipped.sequence}: ${output.slice(0, 1_000)}`);
      return { verdict: 'invalid', notes: [`found at event ${flipped.sequence}`] };
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};

const completeReceipt = async (setting: Setting, actionId: string): Promise<Receipt> => {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const { status, body } = await setting.call<Receipt>('audit', setting.auditor, `GET /v1/receipts/${actionId}`);
    if (status === 200 && body.outcome === 'executed') return body;
    expectThat(performance.now() < deadline, `the receipt is not complete: ${status} ${JSON.stringify(body).slice(0, 500)}`);
    await delay(50);
  }
};

/** An export of a log in motion may lack its last moments, which the verifier calls incomplete: ask again until it is whole. */
const settledExport = async (log: string, instance: Instance, setting: Setting): Promise<string> => {
  const deadline = performance.now() + 60_000;
  for (;;) {
    writeFileSync(log, await exported(instance, setting));
    const { exitCode, output } = await verify(log, instance.trustedKeysFile);
    if (exitCode === 0) return output;
    expectThat(exitCode === 2 && performance.now() < deadline, `the verifier said ${exitCode}: ${output.slice(0, 2_000)}`);
    await delay(500);
  }
};

const exported = async (instance: Instance, setting: Setting): Promise<string> => {
  const response = await fetch(`${instance.urls.audit}/v1/exports`, { method: 'POST', headers: { authorization: `Bearer ${setting.auditor}`, 'content-type': 'application/json', 'idempotency-key': randomUUID() }, body: '{}' });
  expectThat(response.ok, `exporting answered ${response.status}`);
  return response.text();
};

const verifier = fileURLToPath(new URL('../../audit-verify/dist/main.js', import.meta.url));

const verify = (log: string, trustedKeysFile: string): Promise<{ exitCode: number; output: string }> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [verifier, log, '--trusted-keys', trustedKeysFile, '--json'], { maxBuffer: 64 << 20 }, (_, stdout, stderr) => resolve({ exitCode: child.exitCode ?? 2, output: stdout || stderr }));
  });

/** Changes one letter inside one event's bytes, in the middle of the log. */
const flipOneByte = (text: string): { text: string; sequence: number } => {
  const lines = text.split('\n');
  const leaves = lines.flatMap((line, index) => (line.includes('"bytes_b64"') ? [index] : []));
  const at = leaves[Math.floor(leaves.length / 2)] ?? 0;
  const leaf = JSON.parse(lines[at] ?? '{}') as { sequence: number; bytes_b64: string };
  const bytes = Buffer.from(leaf.bytes_b64, 'base64');
  const place = bytes.indexOf('"data"') + 12;
  bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place);
  lines[at] = JSON.stringify({ ...leaf, bytes_b64: bytes.toString('base64') });
  return { text: lines.join('\n'), sequence: leaf.sequence };
};
