import * as directory from './directory.js';
import type { EventDefinition } from './event.js';
import * as proposal from './flow/1-proposal.js';
import * as verdict from './flow/2-verdict.js';
import * as approval from './flow/3-approval.js';
import * as circuit from './flow/5-circuit.js';
import * as delegation from './flow/5-delegation.js';
import * as overage from './flow/5-overage.js';
import * as reservation from './flow/5-reservation.js';
import * as execution from './flow/6-execution.js';
import * as audit from './flow/7-audit.js';
import * as policies from './policies.js';

const isDefinition = (value: unknown): value is EventDefinition => typeof value === 'object' && value !== null && 'owner' in value && 'summary' in value && 'data' in value;

/** Every event type, in the order of the flow. */
export const EVENTS: readonly EventDefinition[] = [directory, policies, proposal, verdict, approval, reservation, overage, delegation, circuit, execution, audit].flatMap((module) => Object.values(module).filter(isDefinition));

const byType = new Map(EVENTS.map((definition) => [definition.type, definition]));

/** The definition behind a wire type such as `dev.exequatur.actions.ActionProposed.v1`. */
export const definitionOf = (type: string): EventDefinition | undefined => byType.get(type);
