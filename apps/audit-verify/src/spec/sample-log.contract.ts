import { createHash } from 'node:crypto';
import { EVENT_TOPICS, GRANT_JWS_TYPE, OWN_CONTEXT, SERVICES, SigningKeyRotated, StreamHeadsPublished } from '@exequatur/contracts';
import type { EventDefinition, Grant, ServiceName } from '@exequatur/contracts';
import { appendAllToFrontier, emptyFrontier, frontierRoot, generateSigningKey, importSigningKey, leafHash, signBatch, signBytes, signDsse, signKeyRotation, signTreeHead } from '@exequatur/audit-chain';
import type { Frontier, SigningKey, TrustedKeys } from '@exequatur/audit-chain';
import { InMemoryEventStore } from '@exequatur/event-store';
import type { Actor, RecordedEvent } from '@exequatur/event-store';
import { canonicalBytes, toInstant } from '@exequatur/kernel';
import { EXPORT_END_TYPE, EXPORT_FORMAT } from '../export/export-lines.js';

/** A leaf as its line in an export. */
export interface SampleLeaf {
  sequence: number;
  bytes_b64: string;
  path: string;
  signature: string;
  key_id: string;
  ordinal?: number;
  topic: string;
}

const START_MS = Date.UTC(2026, 10, 20, 9, 0, 0);
const privateKeys = Object.fromEntries(SERVICES.map((service) => [service, generateSigningKey(service)])) as Record<ServiceName, ReturnType<typeof generateSigningKey>>;
const signingKeys = Object.fromEntries(SERVICES.map((service) => [service, importSigningKey(privateKeys[service].privateJwk)])) as Record<ServiceName, SigningKey>;

export const trustedKeys: TrustedKeys = Object.fromEntries(SERVICES.map((service) => [service, [{ kid: privateKeys[service].kid, jwk: privateKeys[service].publicJwk }]]));
export const signingKeyOf = (service: ServiceName): SigningKey => signingKeys[service];
export const publicJwkOf = (service: ServiceName) => privateKeys[service].publicJwk;

const base64urlJson = (value: unknown): string => Buffer.from(JSON.stringify(value), 'utf8').toString('base64url');

/** Events written by the real in-memory event stores of five services, logged in the order they were written. */
export class SampleLog {
  readonly leaves: SampleLeaf[] = [];
  /** Each event is a second after the one before. */
  nowMs = START_MS;
  private readonly stores: Readonly<Record<ServiceName, InMemoryEventStore>>;
  private readonly counted: Record<ServiceName, Buffer[]>;

  private readonly rotatedTo = new Map<ServiceName, SigningKey>();

  constructor(readonly tenant = 'acme') {
    const clock = { now: () => this.nowMs, monotonic: () => this.nowMs };
    this.stores = Object.fromEntries(SERVICES.map((service) => [service, new InMemoryEventStore({ service, signingKey: signingKeys[service], clock })])) as unknown as Record<ServiceName, InMemoryEventStore>;
    this.counted = Object.fromEntries(SERVICES.map((service) => [service, []])) as unknown as Record<ServiceName, Buffer[]>;
  }

  instant(afterMs = 0): string {
    return toInstant(this.nowMs + afterMs);
  }

  async emit<D>(service: ServiceName, subject: string, definition: EventDefinition<string, D>, data: D, options: { actor?: Actor; id?: string; correlationId?: string } = {}): Promise<RecordedEvent> {
    this.nowMs += 1_000;
    const store = this.stores[service];
    const stream = { tenant: this.tenant, aggregate: definition.aggregate, id: subject };
    const [recorded] = await store.transact({ streams: [stream] }, async (tx) => {
      const expectedVersion = (await store.load(tx, stream)).length;
      return store.append(tx, [{ stream, expectedVersion, events: [{ definition, data, actor: options.actor ?? { type: 'service', id: service }, ...(options.id === undefined ? {} : { id: options.id }), ...(options.correlationId === undefined ? {} : { correlationId: options.correlationId }) }] }]);
    });
    this.log(service, definition, recorded as RecordedEvent);
    return recorded as RecordedEvent;
  }

  /** From here on the new key signs, as after a restart with it. */
  async rotate(service: ServiceName): Promise<SigningKey> {
    const [from, to] = [this.keyOf(service), importSigningKey(generateSigningKey(service).privateJwk)];
    await this.emit(service, service, SigningKeyRotated, signKeyRotation({ tenant: this.tenant, service, from, to }));
    this.rotatedTo.set(service, to);
    return to;
  }

  private keyOf(service: ServiceName): SigningKey {
    return this.rotatedTo.get(service) ?? signingKeys[service];
  }

  private log(service: ServiceName, definition: EventDefinition, recorded: RecordedEvent): void {
    const { bytes } = recorded;
    const [{ path, signature, keyId } = recorded] = this.rotatedTo.has(service) ? signBatch([bytes], { tenant: this.tenant, service, key: this.keyOf(service) }) : [];
    const ordinal = definition.type === StreamHeadsPublished.type ? undefined : this.counted[service].push(leafHash(bytes));
    const topic = EVENT_TOPICS[definition.owner === 'any' ? OWN_CONTEXT[service] : definition.context].name;
    this.leaves.push({ sequence: this.leaves.length, bytes_b64: bytes.toString('base64'), path, signature, key_id: keyId, ...(ordinal === undefined ? {} : { ordinal }), topic });
  }

  signGrant(service: ServiceName, grant: Grant): string {
    const signed = `${base64urlJson({ alg: 'EdDSA', kid: this.keyOf(service).kid, typ: GRANT_JWS_TYPE })}.${base64urlJson(grant)}`;
    return `${signed}.${signBytes(this.keyOf(service), Buffer.from(signed, 'utf8')).toString('base64url')}`;
  }

  /** What each service's relay would say of its events so far. */
  async publishStreamHeads(): Promise<void> {
    for (const service of SERVICES) {
      const leaves = this.counted[service];
      if (leaves.length === 0) continue;
      const root = frontierRoot(appendAllToFrontier(emptyFrontier, leaves));
      await this.emit(service, service, StreamHeadsPublished, { service, events: leaves.length, root: `sha256:${root.toString('hex')}` });
    }
  }
}

export const noteOver = (leaves: readonly SampleLeaf[], size: number, tenant = 'acme', key = signingKeys.audit): string => {
  const [note] = notesOver(leaves.slice(0, size).map(hashOfLeaf), [size], tenant, key);
  return note as string;
};

export const hashOfLeaf = ({ bytes_b64: bytes }: SampleLeaf): Buffer => leafHash(Buffer.from(bytes, 'base64'));

/** A tree head at each of these rising sizes, in one pass. */
export const notesOver = (leafHashes: readonly Buffer[], sizes: readonly number[], tenant = 'acme', key = signingKeys.audit): readonly string[] => {
  let frontier: Frontier = emptyFrontier;
  return sizes.map((size) => {
    frontier = appendAllToFrontier(frontier, leafHashes.slice(frontier.size, size));
    return signTreeHead({ origin: `exequatur/${tenant}`, size, root: frontierRoot(frontier) }, key);
  });
};

interface ExportParts {
  readonly tenant?: string;
  /** Sizes of the tree heads in the export, the last one over all leaves. */
  readonly sizes?: readonly number[];
  readonly notes?: readonly string[];
  readonly createdAt?: string;
  /** of a leaf as its line; JSON.stringify when left out */
  readonly textOf?: (leaf: SampleLeaf) => string;
  /** of the log, when it was rotated */
  readonly key?: SigningKey;
}

/** Lines of an export as the audit projector writes them. */
export const exportLines = (leaves: readonly SampleLeaf[], { tenant = 'acme', sizes = [leaves.length], key = signingKeys.audit, notes = sizes.map((size) => noteOver(leaves, size, tenant, key)), createdAt = '2026-11-20T10:00:00.000Z', textOf = JSON.stringify }: ExportParts = {}): string[] => {
  const header = { format: EXPORT_FORMAT, tenant, ...(notes.length === 0 ? {} : { tree_head: notes.at(-1) }), keys: trustedKeys, log_key: { kid: privateKeys.audit.kid, jwk: privateKeys.audit.publicJwk }, created_at: createdAt };
  const lines = [JSON.stringify(header), ...leaves.map((leaf) => textOf(leaf)), ...notes.map((note) => JSON.stringify({ tree_head: note }))];
  return [...lines, endLineOf(lines, tenant, leaves.length, notes.length, key)];
};

export const endLineOf = (lines: readonly string[], tenant: string, leaves: number, treeHeads: number, key = signingKeys.audit): string => {
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line).update('\n');
  const digest = `sha256:${hash.digest('hex')}`;
  const signature = signDsse(key, EXPORT_END_TYPE, canonicalBytes({ digest, leaves, tenant, tree_heads: treeHeads }));
  return JSON.stringify({ end: EXPORT_FORMAT.split('/')[0], leaves, tree_heads: treeHeads, digest, signature: signature.toString('base64url') });
};

export async function* streamed(lines: readonly string[]): AsyncGenerator<string, void> {
  await Promise.resolve();
  yield* lines;
}
