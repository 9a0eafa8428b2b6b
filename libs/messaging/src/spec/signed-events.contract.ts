import { generateSigningKey, importSigningKey, signBatch } from '@exequatur/audit-chain';
import type { SigningKey } from '@exequatur/audit-chain';
import { ActionWithdrawn, HEADER } from '@exequatur/contracts';
import type { EventDefinition, ServiceName } from '@exequatur/contracts';
import { buildEnvelope, serialise } from '@exequatur/event-store';
import { newId } from '@exequatur/kernel';
import type { OutgoingMessage } from '../port.js';

const keyOf = (service: ServiceName) => {
  const generated = generateSigningKey(service);
  return { ...generated, key: importSigningKey(generated.privateJwk) };
};

/** Events as their owner publishes them, for specs. */
export const keys: Readonly<Record<'policy' | 'executor' | 'approvals', ReturnType<typeof keyOf>>> = { policy: keyOf('policy'), executor: keyOf('executor'), approvals: keyOf('approvals') };
export const trustedKeys = Object.fromEntries(Object.entries(keys).map(([service, { kid, publicJwk }]) => [service, [{ kid, jwk: publicJwk }]]));

export const ACTIONS = 'exequatur.actions.v1';

export interface SignedEvent {
  readonly message: OutgoingMessage;
  readonly eventId: string;
}

interface Overrides {
  readonly definition?: EventDefinition;
  readonly data?: unknown;
  readonly tenant?: string;
  readonly signedBy?: SigningKey;
  /** Applied to the bytes after signing. */
  readonly tamper?: (text: string) => string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly type?: string;
}

/** ActionWithdrawn number `version` of an action's stream, signed by policy unless overridden. */
export const actionEvent = (actionId: string, version: number, overrides: Overrides = {}): SignedEvent => {
  const { definition = ActionWithdrawn, tenant = 'acme', signedBy = keys.policy.key, tamper = (text: string) => text } = overrides;
  const stream = { tenant, aggregate: 'action', id: actionId };
  const data = overrides.data ?? { action_id: actionId, reason: `number ${version}` };
  const built = buildEnvelope({ service: 'policy', stream, version, nowMs: Date.now(), event: { definition, data, actor: { type: 'agent', id: 'researcher' } } });
  const envelope = overrides.type === undefined ? built : { ...built, type: overrides.type };
  const bytes = serialise(envelope);
  const [proof] = signBatch([bytes], { tenant, service: 'policy', key: signedBy });
  if (proof === undefined) throw new Error('signBatch gave no proof');
  const headers = { [HEADER.path]: proof.path, [HEADER.signature]: proof.signature, [HEADER.keyId]: proof.keyId, ...overrides.headers };
  return { eventId: envelope.id, message: { key: envelope.partitionkey, value: Buffer.from(tamper(bytes.toString('utf8'))), headers } };
};

export const newActionId = (): string => newId();
