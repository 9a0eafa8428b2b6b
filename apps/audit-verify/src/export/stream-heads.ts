import { StreamHeadsPublished } from '@exequatur/contracts';
import { appendAllToFrontier, emptyFrontier, frontierRoot } from '@exequatur/audit-chain';
import type { Frontier } from '@exequatur/audit-chain';
import type { EventLog } from '../log/event-log.js';
import type { Findings } from './findings.js';
import type { Leaves } from './leaves.js';

/** Missing ordinals named one by one; the rest are counted. */
const NAMED = 20;

/**
 * 20 (and 19): each service signed how many events it published and their root in its own order. Whatever was left out of, or
 * slipped into, the log shows against the next such head.
 */
export const checkStreamHeads = (log: EventLog, leaves: Leaves, findings: Findings): void => {
  const services = new Set([...log.of(StreamHeadsPublished).map(({ service }) => service), ...leaves.ordinals.keys()]);
  for (const service of services) {
    const heads = log.of(StreamHeadsPublished).filter((head) => head.service === service).sort((a, b) => a.version - b.version);
    const ordinals = leaves.ordinals.get(service) ?? new Map<number, number>();
    let frontier: Frontier = emptyFrontier;
    let missing = 0;
    for (const head of heads) {
      const place = { sequence: head.sequence, event_id: head.id, ...(log.isRecent(head) ? { open: true as const } : {}) };
      if (head.data.service !== service) findings.add({ invariant: 19, sequence: head.sequence, event_id: head.id, message: `${service} counts for ${head.data.service}` });
      if (head.data.events < frontier.size) {
        findings.add({ invariant: 19, sequence: head.sequence, event_id: head.id, message: `${service} counts ${head.data.events} events, and counted more before` });
        continue;
      }
      const added: Buffer[] = [];
      for (let ordinal = frontier.size + 1; ordinal <= head.data.events && missing < NAMED; ordinal += 1) {
        const index = ordinals.get(ordinal);
        if (index === undefined) {
          missing += 1;
          findings.add({ ...place, invariant: 20, message: `${service} published ${head.data.events} events; number ${ordinal} is not in the log` });
        } else {
          added.push(leaves.hashAt(index));
        }
      }
      // With a leaf missing every later root differs, which would say nothing new.
      if (missing > 0) break;
      frontier = appendAllToFrontier(frontier, added);
      const root = `sha256:${frontierRoot(frontier).toString('hex')}`;
      if (root !== head.data.root) {
        findings.add({ invariant: 19, sequence: head.sequence, event_id: head.id, message: `${service} published other events, or in another order, than numbers 1 to ${head.data.events} in the log` });
        break;
      }
    }
    if (missing === 0) uncountedTail(service, frontier.size, ordinals, log, findings);
  }
};

/** Behind the last head nothing is signed yet, but numbers still follow one another. */
const uncountedTail = (service: string, counted: number, ordinals: ReadonlyMap<number, number>, log: EventLog, findings: Findings): void => {
  const later = [...ordinals].filter(([ordinal]) => ordinal > counted).sort(([a], [b]) => a - b);
  let expected = counted + 1;
  for (const [ordinal, sequence] of later) {
    if (ordinal !== expected) {
      const event = log.events.find((each) => each.sequence === sequence);
      findings.add({ invariant: 20, sequence, event_id: event?.id, message: `number ${expected} of ${service} is not in the log, and this is number ${ordinal}`, ...(event !== undefined && log.isRecent(event) ? { open: true as const } : {}) });
      return;
    }
    expected += 1;
  }
};
