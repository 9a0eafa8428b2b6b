import { ActionProposed, ApprovalAnnotated, ApprovalEdited, ApprovalGranted, ApprovalOpened, ApprovalRejected, ApprovalRequired, ApprovalVoted, BudgetDefined, InformationGiven, ReservationHeld } from '@exequatur/contracts';
import type { EventLog } from '../log/event-log.js';
import { must } from './finding.js';
import type { Finding } from './finding.js';

const tenantOf = (scopePath: string): string => (scopePath.split('/')[0] ?? '').slice('tenant:'.length);

/** 18. A chain has one tenant: envelope, facts, scope and grant agree. */
export const oneTenant = (log: EventLog): readonly Finding[] => {
  const own = (event: Parameters<typeof must>[1], tenants: readonly string[]): readonly Finding[] => must(tenants.every((tenant) => tenant === event.tenant), event, `reaches out of tenant ${event.tenant}`);
  const first = log.events[0]?.tenant;
  return [
    ...log.events.flatMap((event) => must(event.tenant === first, event, `an event of tenant ${event.tenant} among those of ${first}`)),
    ...[...log.of(ActionProposed), ...log.of(ApprovalRequired)].flatMap((event) => own(event, [event.data.facts.tenant, tenantOf(event.data.facts.scope_path)])),
    ...[...log.of(ReservationHeld), ...log.of(BudgetDefined)].flatMap((event) => own(event, [tenantOf(event.data.scope_path)])),
    ...[...log.grants.values()].flat().flatMap((event) => own(event, [event.grant.tenant, event.grant.facts.tenant, tenantOf(event.grant.scope_path)])),
  ];
};

/** 19. Versions of every stream are 1..n without gap or repetition. */
export const streams = (log: EventLog): readonly Finding[] =>
  [...log.streams].flatMap(([key, events]) => {
    let last = 0;
    return events.flatMap((event) => {
      const expected = last + 1;
      last = event.version;
      if (event.version === expected) return [];
      const sentence = event.version < expected ? `stream ${key} has two versions ${event.version}` : `stream ${key} has no version ${expected}`;
      return [{ event, sentence, ...(event.version > expected ? { missing: true as const } : {}) }];
    });
  });

/** Each of these puts a card into its request. */
const CARDS: ReadonlySet<string> = new Set([ApprovalOpened, ApprovalAnnotated, ApprovalEdited, InformationGiven].map(({ type }) => type));

/** 26, as far as open data shows it: everybody voted on, and was granted, the card that stood in the request then. */
export const seen = (log: EventLog): readonly Finding[] =>
  [...log.of(ApprovalVoted), ...log.of(ApprovalGranted), ...log.of(ApprovalRejected)].flatMap((event) => {
    const cards = (log.streams.get(event.stream) ?? []).filter(({ type, version }) => CARDS.has(type) && version <= event.version);
    const card = (cards.at(-1)?.data as { readonly view_hash: string } | undefined)?.view_hash;
    const signed = event.grant?.view_hash;
    return must((card === undefined || event.data.view_hash === card) && (signed === undefined || signed === event.data.view_hash), event, 'is about another card than the one that stood in the request');
  });
