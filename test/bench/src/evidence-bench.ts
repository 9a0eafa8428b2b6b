import { ActionWithdrawn, EVENT_TOPICS, SERVICES, StreamHeadsPublished } from '@exequatur/contracts';
import { appendAllToFrontier, emptyFrontier, frontierRoot, generateSigningKey, importSigningKey, leafHash, originVerifier, signBatch, signBytes, signDsse, signTreeHead, verifyBytes, verifyInclusion } from '@exequatur/audit-chain';
import type { Frontier, TrustedKeys } from '@exequatur/audit-chain';
import { EXPORT_END_TYPE, EXPORT_FORMAT, LeafMemory, verifyExport } from '@exequatur/audit-verify';
import { canonicalBytes, newId } from '@exequatur/kernel';
import { createHash } from 'node:crypto';
import { appendFigures } from './evidence-append.js';

/** Events of one transaction here; a busy batch of the authority holds more, a proposal two. */
const BATCH = 8;
const EVENTS = 40_000;
const HASHED = 400_000;
const SIGNATURES = 4_000;
const TENANT = 'bench';

interface Line {
  readonly sequence: number;
  readonly bytes_b64: string;
  readonly path: string;
  readonly signature: string;
  readonly key_id: string;
  readonly ordinal?: number;
  readonly topic: string;
}

const seconds = (work: () => void): number => {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1_000;
};

const keys = Object.fromEntries(SERVICES.map((service) => [service, generateSigningKey(service)]));
const signing = (service: string) => importSigningKey((keys[service] as ReturnType<typeof generateSigningKey>).privateJwk);
const trusted: TrustedKeys = Object.fromEntries(SERVICES.map((service) => [service, [{ kid: (keys[service] as ReturnType<typeof generateSigningKey>).kid, jwk: (keys[service] as ReturnType<typeof generateSigningKey>).publicJwk }]]));

const eventBytes = (type: string, aggregate: string, subject: string, version: number, data: object): Buffer =>
  Buffer.from(
    JSON.stringify({
      specversion: '1.0', id: newId(), source: `/tenants/${TENANT}/services/policy`, type, subject, time: '2026-11-20T09:00:00.000Z', datacontenttype: 'application/json',
      dataschema: `https://exequatur.dev/schemas/${type}.json`, partitionkey: `${TENANT}/${aggregate}/${subject}`, sequence: String(version).padStart(10, '0'), tenant: TENANT, actortype: 'agent', actorid: 'bench', data,
    }),
  );

/** A log of signed batches, closed by a count of its service, as lines of an export. */
const exported = (): readonly string[] => {
  const key = signing('policy');
  const lines: Line[] = [];
  const leaves: Buffer[] = [];
  const add = (batch: readonly Buffer[], topic: string, counted: boolean): void =>
    signBatch(batch, { tenant: TENANT, service: 'policy', key }).forEach(({ path, signature, keyId }, index) => {
      lines.push({ sequence: lines.length, bytes_b64: (batch[index] as Buffer).toString('base64'), path, signature, key_id: keyId, ...(counted ? { ordinal: lines.length + 1 } : {}), topic });
      leaves.push(leafHash(batch[index] as Buffer));
    });
  for (let done = 0; done < EVENTS; done += BATCH) add(Array.from({ length: BATCH }, () => newId()).map((id) => eventBytes(ActionWithdrawn.type, ActionWithdrawn.aggregate, id, 1, { action_id: id, reason: 'no longer needed' })), EVENT_TOPICS.actions.name, true);
  const root = frontierRoot(appendAllToFrontier(emptyFrontier, leaves));
  add([eventBytes(StreamHeadsPublished.type, StreamHeadsPublished.aggregate, 'policy', 1, { service: 'policy', events: leaves.length, root: `sha256:${root.toString('hex')}` })], EVENT_TOPICS.directory.name, false);
  const log = signing('audit');
  const note = signTreeHead({ origin: `exequatur/${TENANT}`, size: leaves.length, root: frontierRoot(appendAllToFrontier(emptyFrontier, leaves)) }, log);
  const own = (trusted['audit'] ?? [])[0];
  const texts = [{ format: EXPORT_FORMAT, tenant: TENANT, tree_head: note, keys: trusted, log_key: own, created_at: '2026-11-20T10:00:00.000Z' }, ...lines, { tree_head: note }].map((line) => JSON.stringify(line));
  const digest = createHash('sha256');
  for (const text of texts) digest.update(`${text}\n`);
  const closed = { leaves: lines.length, tree_heads: 1, digest: `sha256:${digest.digest('hex')}` };
  return [...texts, JSON.stringify({ end: 'exequatur-export', ...closed, signature: signDsse(log, EXPORT_END_TYPE, canonicalBytes({ ...closed, tenant: TENANT })).toString('base64url') })];
};

async function* streamed(lines: readonly string[]): AsyncGenerator<string, void> {
  await Promise.resolve();
  yield* lines;
}

const hashing = (): number => {
  const bytes = Array.from({ length: 1_000 }, () => eventBytes(ActionWithdrawn.type, 'action', newId(), 1, { action_id: newId(), reason: 'no longer needed' }));
  let frontier: Frontier = emptyFrontier;
  const took = seconds(() => {
    for (let done = 0; done < HASHED; done += bytes.length) frontier = appendAllToFrontier(frontier, bytes.map(leafHash));
    frontierRoot(frontier);
  });
  return HASHED / took;
};

const proofs = (): number => {
  const path = Array.from({ length: 20 }, (_, index) => leafHash(Buffer.from([index])));
  const leaf = leafHash(Buffer.from('leaf'));
  const count = 20_000;
  return count / seconds(() => {
    for (let done = 0; done < count; done += 1) verifyInclusion({ leafHash: leaf, index: done, size: 1_048_576, path, root: leaf });
  });
};

/** Each round measures both, so that what else the machine does meets both alike. */
const ROUNDS = 5;

/** @returns batches a second as the verifier judges them, and the raw verifications a second they need; neither when it runs for the first time */
const signatures = (): { readonly raw: number; readonly batches: number } => {
  const key = signing('policy');
  const message = Buffer.alloc(200, 7);
  const signature = signBytes(key, message);
  const verify = originVerifier(trusted);
  let [raw, judged] = [0, 0];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const batches = Array.from({ length: SIGNATURES / ROUNDS }, () => Array.from({ length: BATCH }, () => eventBytes(ActionWithdrawn.type, 'action', newId(), 1, { action_id: newId(), reason: 'x' }))).map((batch) => ({ batch, proofs: signBatch(batch, { tenant: TENANT, service: 'policy', key }) }));
    const verified = seconds(() => {
      for (let done = 0; done < batches.length; done += 1) verifyBytes(key.publicKey, message, signature);
    });
    const took = seconds(() => {
      for (const { batch, proofs: of } of batches) batch.forEach((bytes, index) => verify(bytes, of[index] as (typeof of)[number], TENANT, 'policy'));
    });
    if (round > 0) [raw, judged] = [raw + verified, judged + took];
  }
  return { raw: SIGNATURES / raw, batches: SIGNATURES / judged };
};

/** Events that wait for the projector. */
const BACKLOG = 60_000;

/** `npm run bench -- evidence`: what verifying costs in one process on one core, and what the projector reaches. Prints rates; fails only when a log of its own is not valid. */
export const evidenceBench = async (): Promise<void> => {
  const say = (label: string, value: string): void => console.log(`${label.padEnd(64)} ${value}`);
  say('leaf hashes and tree, events/s', hashing().toFixed(0));
  say('inclusion proofs of 20 hashes, proofs/s', proofs().toFixed(0));
  const { raw, batches } = signatures();
  say('raw Ed25519 verifications/s', raw.toFixed(0));
  say(`batches of ${BATCH} events with their origin, batches/s`, batches.toFixed(0));
  say('… of the raw verifications they need', (batches / raw).toFixed(2));
  const lines = exported();
  const start = performance.now();
  const report = await verifyExport(streamed(lines), { trustedKeys: trusted, settleMs: 0 });
  const took = (performance.now() - start) / 1_000;
  if (report.result !== 'valid') throw new Error(`the log made for measuring is ${report.result}: ${JSON.stringify(report.violations.slice(0, 3))}`);
  say(`a whole export of ${report.size} leaves, events/s`, (report.size / took).toFixed(0));
  const remembered = new LeafMemory();
  await verifyExport(streamed(lines), { trustedKeys: trusted, settleMs: 0, judged: remembered });
  const again = performance.now();
  await verifyExport(streamed(lines), { trustedKeys: trusted, settleMs: 0, judged: remembered });
  say('… without signatures (leaves judged before), events/s', ((report.size * 1_000) / (performance.now() - again)).toFixed(0));
  const projector = await appendFigures(BACKLOG);
  say(`projector: a backlog of ${projector.events}, leaves appended/s (wanted 3000)`, projector.appendedPerSecond.toFixed(0));
  say('projector: from the last leaf to a signed head over it, ms', projector.headAfterMs.toFixed(0));
  say('projector: read model rebuilt and compared, leaves/s (wanted 30000)', projector.rebuiltPerSecond.toFixed(0));
  say('resident memory afterwards, MiB', (process.memoryUsage.rss() / 2 ** 20).toFixed(0));
};
