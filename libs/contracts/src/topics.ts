/** The five services; each has its own database schema and role, signing key and topics. */
export const SERVICES = ['policy', 'approvals', 'reservations', 'executor', 'audit'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** The word in a topic's name; also the context in an event's type string. */
export type TopicContext = 'actions' | 'policies' | 'directory' | 'approvals' | 'reservations' | 'executions' | 'audit';

export interface Topic {
  readonly name: string;
  readonly owner: ServiceName;
  /** Explicit and fixed: changing it would re-key streams. */
  readonly partitions: number;
}

const topic = (name: string, owner: ServiceName, partitions: number): Topic => ({ name, owner, partitions });

/** Events, by context. The key of every message is its `partitionkey`, `<tenant>/<aggregate>/<subject>`. */
export const EVENT_TOPICS: Readonly<Record<TopicContext, Topic>> = {
  actions: topic('exequatur.actions.v1', 'policy', 6),
  policies: topic('exequatur.policies.v1', 'policy', 1),
  directory: topic('exequatur.directory.v1', 'policy', 1),
  approvals: topic('exequatur.approvals.v1', 'approvals', 6),
  reservations: topic('exequatur.reservations.v1', 'reservations', 6),
  executions: topic('exequatur.executions.v1', 'executor', 6),
  audit: topic('exequatur.audit.v1', 'audit', 1),
};

/** Where agents publish signed proposals; not events, and not ours. Owned (read, and written for the HTTP door) by policy. */
export const INTAKE_TOPIC = topic('exequatur.intake.v1', 'policy', 6);

/** What a service could not process for a deterministic reason: the original bytes, with the reason in headers. */
export const deadLetterTopic = (service: ServiceName): Topic => topic(`exequatur.dead-letters.${service}.v1`, service, 1);

export const ALL_TOPICS: readonly Topic[] = [...Object.values(EVENT_TOPICS), INTAKE_TOPIC, ...SERVICES.map(deadLetterTopic)];

/** The topic on which a service publishes facts every service owns (StreamHeadsPublished, EventQuarantined). */
export const OWN_CONTEXT: Readonly<Record<ServiceName, TopicContext>> = {
  policy: 'directory',
  approvals: 'approvals',
  reservations: 'reservations',
  executor: 'executions',
  audit: 'audit',
};
