import { defineEvent } from './event.js';
import { hash, list, name, object, optional, scopePath, text } from './schema.js';

const directory = { context: 'directory', owner: 'policy', version: 1, authority: true } as const;

export const TenantCreated = defineEvent({ ...directory, name: 'TenantCreated', aggregate: 'tenant', summary: 'A tenant exists.', data: object({ tenant: name(), display_name: text(200) }) });

export const AgentRegistered = defineEvent({
  ...directory,
  name: 'AgentRegistered',
  aggregate: 'agent',
  summary: 'An agent exists, with an owner of record and the part of the scope tree it may act in.',
  data: object({ agent: name(), display_name: text(200), owner: optional(name()), scope_prefix: scopePath() }),
});

export const AgentKeyIssued = defineEvent({
  ...directory,
  name: 'AgentKeyIssued',
  aggregate: 'agent',
  summary: 'An agent can authenticate: with a bearer key (only its hash is kept), by signing with a registered public key, or as a client of an identity provider.',
  data: object({
    agent: name(),
    key_id: name(),
    /** SHA-256 of the bearer key; keys carry 256 random bits, so a plain hash is enough */
    key_hash: optional(hash()),
    /** Ed25519 public key (RFC 8037 `x`) for messages on the intake topic */
    public_key: optional(text(100)),
    /** issuer#sub of an OAuth client whose access tokens (JWT) are this agent's; key_hash is then the SHA-256 of `oauth:` and this text */
    subject: optional(text(600)),
  }),
});

export const AgentKeyRevoked = defineEvent({ ...directory, name: 'AgentKeyRevoked', aggregate: 'agent', summary: 'A key no longer authenticates.', data: object({ agent: name(), key_id: name() }) });

export const ROLES = ['admin', 'policy-admin', 'operator', 'auditor', 'approver'] as const;

export const PersonLinked = defineEvent({
  ...directory,
  name: 'PersonLinked',
  aggregate: 'person',
  summary: 'A natural person can authenticate, with roles; two accounts of one person are one person.',
  data: object({
    person: name(),
    /** issuer#sub of the identity */
    subject: text(300),
    /** surface roles (admin, policy-admin, operator, auditor, approver) and approval roles (finance, …) */
    roles: list(name(), 50),
    token_hash: optional(hash()),
  }),
});

export const AccountLinked = defineEvent({
  ...directory,
  name: 'AccountLinked',
  aggregate: 'person',
  summary: 'Another account is the same natural person: whoever signs in with either is one voter.',
  data: object({ person: name(), /** issuer#sub */ subject: text(300) }),
});

export const AccountUnlinked = defineEvent({ ...directory, name: 'AccountUnlinked', aggregate: 'person', summary: 'An account no longer signs this person in.', data: object({ person: name(), subject: text(300) }) });

export const EligibilityChanged = defineEvent({ ...directory, name: 'EligibilityChanged', aggregate: 'person', summary: 'A person’s roles are now these.', data: object({ person: name(), roles: list(name(), 50) }) });

export const ToolRegistered = defineEvent({ ...directory, name: 'ToolRegistered', aggregate: 'tool', summary: 'A tool version exists and does this kind of action.', data: object({ tool_name: name(), tool_version: name(), action_kind: name() }) });
