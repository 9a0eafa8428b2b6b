import type { ServiceName } from '@exequatur/contracts';

export interface AgentPrincipal {
  readonly type: 'agent';
  readonly tenant: string;
  readonly id: string;
  /** The part of the scope tree it may act in. */
  readonly scopePrefix: string;
  /** Person of record. */
  readonly owner?: string;
  readonly keyId: string;
  /** For whom it acts by its token's `act` claims: issuer#sub each, nearest first. */
  readonly chain?: readonly string[];
}
export interface PersonPrincipal {
  readonly type: 'person';
  readonly tenant: string;
  readonly id: string;
  readonly roles: readonly string[];
  /** When the person last proved who they are, Unix seconds; absent where nobody knows, as with a standing access token. */
  readonly authTime?: number;
}
export interface ServicePrincipal {
  readonly type: 'service';
  readonly service: ServiceName;
}
/** Holder of the platform admin token; acts in the tenant its request names. */
export interface RootPrincipal {
  readonly type: 'root';
}
export type Principal = AgentPrincipal | PersonPrincipal | ServicePrincipal | RootPrincipal;

/** `agent/<id>`, `person/<id>`, `service/<name>`, `root`: how a principal is written in idempotency scopes, logs and rate limits. */
export const principalName = (principal: Principal): string => {
  switch (principal.type) {
    case 'agent':
    case 'person':
      return `${principal.type}/${principal.id}`;
    case 'service':
      return `service/${principal.service}`;
    case 'root':
      return 'root';
  }
};
