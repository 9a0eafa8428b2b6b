import type { ShownEvent } from './shown-event.js';

/** OCSF 1.8.0 (schema.ocsf.io): what each of our events is there. */
export const OCSF_VERSION = '1.8.0';

type OcsfClass = 'api_activity' | 'user_access' | 'entity_management';
const CLASSES: Readonly<Record<OcsfClass, { readonly category_uid: number; readonly class_uid: number; readonly class_name: string; readonly category_name: string }>> = {
  api_activity: { category_uid: 6, class_uid: 6003, class_name: 'API Activity', category_name: 'Application Activity' },
  user_access: { category_uid: 3, class_uid: 3005, class_name: 'User Access Management', category_name: 'Identity & Access Management' },
  entity_management: { category_uid: 3, class_uid: 3004, class_name: 'Entity Management', category_name: 'Identity & Access Management' },
};

/** Whose right to decide was given or taken. */
const ACCESS = new Set(['PersonLinked', 'EligibilityChanged']);
/** What was set up, changed or taken away; by activity: 1 create, 3 update, 8 enable, 9 disable. */
const ENTITIES: Readonly<Record<string, readonly [type: string, activity: number]>> = {
  TenantCreated: ['tenant', 1],
  AgentRegistered: ['agent', 1],
  AgentKeyIssued: ['agent key', 1],
  AgentKeyRevoked: ['agent key', 9],
  ToolRegistered: ['tool', 1],
  PolicyPublished: ['policy', 1],
  PolicyRolledBack: ['policy', 3],
  PolicyInForce: ['policy', 8],
  ActionKindClassified: ['action kind', 3],
  BudgetDefined: ['budget', 1],
  BudgetAdjusted: ['budget', 3],
  FreezeApplied: ['freeze', 8],
  FreezeQuiesced: ['freeze', 3],
  FreezeLifted: ['freeze', 9],
  LegalHoldPlaced: ['legal hold', 8],
  LegalHoldLifted: ['legal hold', 9],
};
const CREATING = new Set(['ActionProposed', 'ApprovalOpened', 'ReservationHeld', 'ExecutionRequested', 'ExportMade']);
const DELETING = new Set(['ErasureCompleted']);
const REFUSALS = new Set(['ActionDenied', 'ActionQuarantined', 'ApprovalRejected', 'ApprovalExpired', 'VoteRefused', 'ReservationRefused', 'ExecutionFailed', 'ExecutionSkipped', 'EventQuarantined']);
const ALARMING = new Set(['VoteRefused', 'EventQuarantined', 'FreezeApplied', 'ExecutionUnknown', 'ActionQuarantined']);

const classOf = ({ name }: ShownEvent): OcsfClass => (ACCESS.has(name) ? 'user_access' : name in ENTITIES ? 'entity_management' : 'api_activity');

const activityOf = ({ name }: ShownEvent, ocsfClass: OcsfClass): number => {
  if (ocsfClass === 'entity_management') return ENTITIES[name]?.[1] ?? 99;
  if (ocsfClass === 'user_access') return 1;
  return CREATING.has(name) ? 1 : DELETING.has(name) ? 4 : 3;
};

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

const userOf = (event: ShownEvent): Readonly<Record<string, unknown>> => ({ uid: event.actor_id === '' ? 'unknown' : event.actor_id, name: event.actor_id, type: event.actor_type, type_id: event.actor_type === 'person' ? 1 : event.actor_type === 'system' ? 3 : 99 });

const detailsOf = (event: ShownEvent, ocsfClass: OcsfClass): Readonly<Record<string, unknown>> => {
  switch (ocsfClass) {
    case 'user_access': {
      const roles = event.data['roles'];
      const person = textOf(event.data['person']) ?? event.subject;
      return { actor: { user: userOf(event) }, user: { uid: person, name: person }, privileges: Array.isArray(roles) ? roles.map(String) : [] };
    }
    case 'entity_management': {
      const type = ENTITIES[event.name]?.[0] ?? 'entity';
      return { actor: { user: userOf(event) }, entity: { uid: event.subject, name: event.subject, type, type_id: 99 } };
    }
    case 'api_activity':
      return {
        actor: { user: userOf(event) },
        api: { operation: event.name, service: { name: event.service }, version: '1', ...(event.action_id === undefined ? {} : { request: { uid: event.action_id } }) },
        src_endpoint: { name: event.actor_id === '' ? event.service : event.actor_id, svc_name: event.service },
        ...(event.action_kind === undefined ? {} : { resources: [{ name: event.action_kind, type: 'action kind' }] }),
      };
  }
};

/** One event as OCSF has it; what OCSF has no word for stands whole in `unmapped`. */
export const ocsfEvent = (event: ShownEvent): Readonly<Record<string, unknown>> => {
  const ocsfClass = classOf(event);
  const activity = activityOf(event, ocsfClass);
  const uids = CLASSES[ocsfClass];
  const code = textOf(event.data['code']);
  return {
    ...uids,
    activity_id: activity,
    activity_name: event.name,
    type_uid: uids.class_uid * 100 + activity,
    time: Date.parse(event.time),
    severity_id: ALARMING.has(event.name) ? 3 : 1,
    status_id: REFUSALS.has(event.name) ? 2 : 1,
    ...(code === undefined ? {} : { status_code: code }),
    message: `${event.name} by ${event.actor_type} ${event.actor_id}`,
    metadata: {
      version: OCSF_VERSION,
      product: { name: 'Exequatur', vendor_name: 'Exequatur', feature: { name: event.service } },
      uid: event.event_id,
      sequence: event.sequence,
      event_code: event.type,
      log_name: `exequatur/${event.tenant}`,
      tenant_uid: event.tenant,
      ...(event.action_id === undefined ? {} : { correlation_uid: event.action_id }),
    },
    ...detailsOf(event, ocsfClass),
    unmapped: { exequatur: { event_hash: event.event_hash, stream_version: event.version, agent: event.agent ?? null, data: event.data } },
  };
};
