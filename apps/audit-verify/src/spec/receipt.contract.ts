import { definitionOf, foldChain, SERVICES } from '@exequatur/contracts';
import type { EventEnvelope, ReceiptDocument } from '@exequatur/contracts';
import { inclusionPath, leafHash, merkleRoot } from '@exequatur/audit-chain';
import { sha256Text } from '@exequatur/kernel';
import { readEvent } from '../log/log-event.js';
import type { LogEvent } from '../log/log-event.js';
import { outcomeOfEvents } from '../receipt/outcome-of-events.js';
import { noteOver, publicJwkOf, trustedKeys } from './sample-log.contract.js';
import type { SampleLeaf } from './sample-log.contract.js';

const hashText = (hash: Uint8Array): string => `sha256:${Buffer.from(hash).toString('hex')}`;
const STANDING = ['proposed', 'awaiting_approval', 'allowed', 'granted', 'reserved', 'executing', 'unknown'];

/** Actions of a log, in the order in which they were proposed. */
export const actionsOf = (leaves: readonly SampleLeaf[]): readonly string[] => [...new Set(leaves.flatMap(({ bytes_b64: bytes }) => (JSON.parse(Buffer.from(bytes, 'base64').toString()) as { data: { action_id?: string } }).data.action_id ?? []))];

/** A receipt as the projector writes it. */
export const receiptOf = (leaves: readonly SampleLeaf[], actionId: string, { note = noteOver(leaves, leaves.length), tenant = 'acme' }: { readonly note?: string; readonly tenant?: string } = {}): ReceiptDocument => {
  const hashes = leaves.map(({ bytes_b64: bytes }) => leafHash(Buffer.from(bytes, 'base64')));
  const events: LogEvent[] = [];
  const own = leaves.flatMap((leaf) => {
    const bytes = Buffer.from(leaf.bytes_b64, 'base64');
    const envelope = JSON.parse(bytes.toString()) as EventEnvelope<Record<string, unknown>>;
    if (envelope.data['action_id'] !== actionId && envelope.correlationid !== actionId) return [];
    const read = readEvent(bytes, leaf.sequence);
    if (read.kind === 'event') events.push(read.event);
    const { grant: _signed, ...data } = envelope.data;
    const service = SERVICES.find((each) => envelope.source.endsWith(`/services/${each}`)) ?? '';
    return [{ event_id: envelope.id, name: definitionOf(envelope.type)?.name ?? '', service, version: Number(envelope.sequence), time: envelope.time, data, leaf, bytes, envelope }];
  });
  const { chain, steps } = foldChain(own);
  const outcome = outcomeOfEvents(events);
  return {
    format: 'exequatur-receipt/1',
    tenant,
    action_id: actionId,
    agent: 'outreach-agent',
    outcome,
    ended: !STANDING.includes(outcome),
    chain,
    steps: steps.map(({ step, event: { leaf, bytes, envelope, data } }) => ({
      step,
      event_id: envelope.id,
      type: envelope.type,
      time: envelope.time,
      actor: { type: envelope.actortype, id: envelope.actorid },
      event_hash: sha256Text(bytes),
      sequence: leaf.sequence,
      bytes_b64: leaf.bytes_b64,
      path: leaf.path,
      signature: leaf.signature,
      key_id: leaf.key_id,
      proof: { index: leaf.sequence, size: leaves.length, leaf_hash: hashText(hashes[leaf.sequence] as Buffer), path: inclusionPath(hashes, leaf.sequence).map(hashText) },
      data,
    })),
    tree_head: { log: `exequatur/${tenant}`, size: leaves.length, root: hashText(merkleRoot(hashes)), note, published_at: '2026-11-20T10:00:00.000Z' },
    keys: trustedKeys as unknown as ReceiptDocument['keys'],
    log_key: { kid: publicJwkOf('audit').kid, jwk: publicJwkOf('audit') },
  };
};
