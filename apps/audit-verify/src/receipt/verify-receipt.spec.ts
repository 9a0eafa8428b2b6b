import { beforeAll, describe, expect, test } from '@jest/globals';
import type { ReceiptDocument } from '@exequatur/contracts';
import { cosign, generateSigningKey, importSigningKey, notePartsOf } from '@exequatur/audit-chain';
import { actionsOf, receiptOf } from '../spec/receipt.contract.js';
import { noteOver, signingKeyOf, trustedKeys } from '../spec/sample-log.contract.js';
import type { SampleLeaf } from '../spec/sample-log.contract.js';
import { wholeStory } from '../spec/story.contract.js';
import { verifyReceipt } from './verify-receipt.js';
import type { VerifyReceiptOptions } from './verify-receipt.js';

let leaves: readonly SampleLeaf[];
let receipts: readonly ReceiptDocument[];
beforeAll(async () => {
  leaves = (await wholeStory()).log.leaves;
  receipts = actionsOf(leaves).map((id) => receiptOf(leaves, id));
});

const verify = (receipt: unknown, options: VerifyReceiptOptions = {}) => verifyReceipt(JSON.stringify(receipt), { trustedKeys, ...options });
const withOutcome = (outcome: string): ReceiptDocument => receipts.find((each) => each.outcome === outcome) as ReceiptDocument;

describe('a receipt', () => {
  test('verifies alone, for every end the story has', () => {
    for (const receipt of receipts) {
      const report = verify(receipt);
      expect({ outcome: receipt.outcome, violations: report.violations, result: report.result }).toEqual({ outcome: receipt.outcome, violations: [], result: 'valid' });
    }
    expect(new Set(receipts.map(({ outcome }) => outcome))).toEqual(new Set(['executed', 'failed', 'released', 'refused', 'rejected', 'quarantined', 'denied', 'revoked']));
  });

  test('says whose keys it was checked with', () => {
    const report = verifyReceipt(JSON.stringify(receipts[0]));
    expect([report.result, report.keys]).toEqual(['valid', 'export']);
    expect(report.notes[0]).toMatch(/no keys were pinned/);
  });

  test('invariant 25: a changed character anywhere is found', () => {
    const text = JSON.stringify(withOutcome('executed'));
    // What the log did not sign: when the head was published, and keys that a verifier with keys of its own does not look at.
    const free = [text.indexOf('"published_at":"'), text.indexOf('"keys":{')];
    const unjudged = (at: number): boolean => (at >= (free[0] as number) + 16 && at < (free[0] as number) + 40) || at >= (free[1] as number);
    let tried = 0;
    for (let at = 0; at < text.length; at += 61) {
      const changed = `${text.slice(0, at)}${text[at] === '1' ? '2' : '1'}${text.slice(at + 1)}`;
      if (unjudged(at) || changed === text) continue;
      tried += 1;
      expect([at, text.slice(at - 20, at + 5), verifyReceipt(changed, { trustedKeys }).result]).not.toEqual([at, text.slice(at - 20, at + 5), 'valid']);
    }
    expect(tried).toBeGreaterThan(150);
  });

  test('invariant 19: an event left out of a stream is missed', () => {
    const receipt = withOutcome('executed');
    receipt.steps.forEach((step, index) => {
      const report = verify({ ...receipt, steps: receipt.steps.filter((_, at) => at !== index) });
      expect([step.type, report.result]).toEqual([step.type, 'invalid']);
    });
  });

  test('a tree head by another key, of another log, or of another size is none', () => {
    const receipt = withOutcome('denied');
    for (const note of [noteOver(leaves, leaves.length, 'acme', signingKeyOf('policy')), noteOver(leaves, leaves.length, 'globex'), noteOver(leaves, leaves.length - 1)]) {
      expect(verify({ ...receipt, tree_head: { ...receipt.tree_head, note } }).by_invariant).toHaveProperty('24');
    }
  });

  test('invariant 24: an event whose proof does not lead to the tree head is not in the log', () => {
    const receipt = withOutcome('denied');
    const [first, ...rest] = receipt.steps as [ReceiptDocument['steps'][number], ...ReceiptDocument['steps'][number][]];
    const proof = first.proof as NonNullable<typeof first.proof>;
    const elsewhere = `sha256:${'0'.repeat(64)}`;
    for (const other of [{ path: [elsewhere, ...proof.path.slice(1)] }, { path: proof.path.slice(1) }, { index: proof.index + 1 }, { size: proof.size - 1 }, { leaf_hash: elsewhere }]) {
      expect([other, verify({ ...receipt, steps: [{ ...first, proof: { ...proof, ...other } }, ...rest] }).by_invariant]).toEqual([other, { 24: 1 }]);
    }
  });

  test('another outcome, or another agent, than the events say', () => {
    const receipt = withOutcome('denied');
    for (const change of [{ outcome: 'executed' }, { ended: false }, { agent: 'somebody' }, { chain: {} }, { tenant: 'globex' }, { action_id: receipts[0]?.action_id }]) expect([change, verify({ ...receipt, ...change }).result]).toEqual([change, 'invalid']);
  });

  test('events that are under no tree head yet leave it incomplete', () => {
    const receipt = withOutcome('denied');
    const [first, ...rest] = receipt.steps;
    const { proof: _proof, ...pending } = first as ReceiptDocument['steps'][number];
    expect(verify({ ...receipt, steps: [{ ...pending, pending: true }, ...rest] }).result).toBe('incomplete');
    expect(verify({ ...receipt, steps: [pending, ...rest] }).result).toBe('invalid');
    const { tree_head: _head, ...without } = receipt;
    expect(verify({ ...without, steps: receipt.steps.map(({ proof: _each, ...step }) => ({ ...step, pending: true })) }).result).toBe('incomplete');
  });

  test.each(['', '{}', '[]', 'null', '{"format":"exequatur-receipt/1"}', '"', '\u0000'])('what is none is incomplete, never a throw: %j', (text) => {
    expect(verifyReceipt(text).result).toBe('incomplete');
  });
});

describe('witnesses', () => {
  const key = importSigningKey(generateSigningKey('witness').privateJwk);
  const witness = { name: 'w.test/1', publicKey: key.publicKey };

  test('a receipt is valid under a head that they cosigned, and incomplete without', () => {
    const receipt = withOutcome('denied');
    const note = receipt.tree_head?.note ?? '';
    const cosigned = note + cosign(notePartsOf(note)?.text ?? '', witness.name, key, 1_800_000_000);
    const report = verify({ ...receipt, tree_head: { ...receipt.tree_head, note: cosigned } }, { witnesses: [witness] });
    expect([report.result, report.witnessed]).toEqual(['valid', [{ name: 'w.test/1', size: leaves.length, at: '2027-01-15T08:00:00.000Z' }]]);
    expect(verify(receipt, { witnesses: [witness] })).toMatchObject({ result: 'incomplete', witnessed: [{ name: 'w.test/1', size: 0 }] });
    const forged = note + cosign(notePartsOf(note)?.text ?? '', witness.name, signingKeyOf('audit'), 1_800_000_000);
    expect(verify({ ...receipt, tree_head: { ...receipt.tree_head, note: forged } }, { witnesses: [witness] }).result).toBe('incomplete');
  });
});
