import type { Code, DataOf, FREEZE_SCOPES, FreezeApplied, FreezeLifted, FreezeQuiesced, Tool, WIDE_FREEZE_SCOPES } from '@exequatur/contracts';
import { refuse } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import { isOnOrBelow } from './scope-path.js';

export type FreezeScope = (typeof FREEZE_SCOPES)[number] | (typeof WIDE_FREEZE_SCOPES)[number];

/**
 * A freeze that stands. `value` by scope: tenant → the tenant, agent → the agent's name, kind → the action kind,
 * tool → `name` (every version) or `name@version`, grant → the grant_id, toolset → a family of tools (`mailer`: mailer.send
 * and every other `mailer.…`, and what runs on a path with the segment `toolset:mailer`), workflow → a scope path with
 * everything below it, run → the run_id.
 */
export interface ActiveFreeze {
  readonly freezeId: string;
  readonly scope: FreezeScope;
  readonly value: string;
}

/** What a freeze is matched against: the claim as asked for, or as held. */
export interface FreezeSubject {
  readonly tenant: string;
  readonly agent: string;
  readonly actionKind: string;
  readonly tool: Tool;
  readonly grantId: string | undefined;
  /** Where a subject does not say its path or run, a freeze of a path or run covers it: rather too much than too little. */
  readonly scopePath?: string;
  readonly runId?: string;
  /** agents whose authority it uses (delegation) */
  readonly delegatedBy?: readonly string[];
}

export const freezeCovers = (freeze: ActiveFreeze, subject: FreezeSubject): boolean => {
  switch (freeze.scope) {
    case 'tenant':
      return freeze.value === subject.tenant;
    case 'agent':
      return freeze.value === subject.agent || subject.delegatedBy?.includes(freeze.value) === true;
    case 'kind':
      return freeze.value === subject.actionKind;
    case 'tool':
      return freeze.value === subject.tool.name || freeze.value === `${subject.tool.name}@${subject.tool.version}`;
    case 'grant':
      return freeze.value === subject.grantId;
    case 'toolset':
      return subject.tool.name === freeze.value || subject.tool.name.startsWith(`${freeze.value}.`) || subject.scopePath === undefined || hasSegment(subject.scopePath, `toolset:${freeze.value}`);
    case 'workflow':
      return subject.scopePath === undefined || isOnOrBelow(subject.scopePath, freeze.value);
    case 'run':
      return subject.runId === undefined || subject.runId === freeze.value;
  }
};

const hasSegment = (scopePath: string, segment: string): boolean => `/${scopePath}/`.includes(`/${segment}/`);

export type Freeze =
  | { readonly status: 'None' }
  | { readonly status: 'Applied' | 'Quiesced' | 'Lifted'; readonly freezeId: string; readonly scope: FreezeScope; readonly value: string; readonly fenceEpoch: number };

/** A claim from before the fence that may still have an effect, or nobody knows. */
export interface EarlierClaim {
  readonly reservationId: string;
  readonly status: 'Held' | 'Started' | 'Unknown';
  /** Unix ms */
  readonly executeBy: number;
}

export type FreezeCommand =
  | { readonly type: 'ApplyFreeze'; readonly data: { readonly freezeId: string; readonly scope: FreezeScope; readonly value: string; readonly reason: string; readonly fenceEpoch: number } }
  | { readonly type: 'QuiesceFreeze'; readonly data: { readonly earlierClaims: readonly EarlierClaim[]; readonly nowMs: number } }
  | { readonly type: 'LiftFreeze'; readonly data: { readonly reason: string; readonly fenceEpoch: number } };

export type FreezeEvent =
  | { readonly type: 'FreezeApplied'; readonly data: DataOf<typeof FreezeApplied> }
  | { readonly type: 'FreezeQuiesced'; readonly data: DataOf<typeof FreezeQuiesced> }
  | { readonly type: 'FreezeLifted'; readonly data: DataOf<typeof FreezeLifted> };

export const initialFreeze = (): Freeze => ({ status: 'None' });

/**
 * Applied (fenced) → Quiesced → Lifted, or Applied → Lifted. A freeze quiesces when every earlier claim has ended, or is
 * unknown with its execute_by in the past (reliability.md section 8); until then the command adds nothing.
 */
export const decideFreeze = (command: FreezeCommand, state: Freeze): readonly FreezeEvent[] | Refusal<Code> => {
  switch (command.type) {
    case 'ApplyFreeze': {
      if (state.status !== 'None') return refuse('CONFLICT', 'this freeze exists already');
      const { freezeId, scope, value, reason, fenceEpoch } = command.data;
      if (reason.trim() === '') return refuse('REASON_REQUIRED');
      return [{ type: 'FreezeApplied', data: { freeze_id: freezeId, scope, value, reason, fence_epoch: fenceEpoch } }];
    }
    case 'QuiesceFreeze': {
      if (state.status !== 'Applied') return [];
      const { earlierClaims, nowMs } = command.data;
      if (earlierClaims.some((claim) => claim.status !== 'Unknown' || claim.executeBy >= nowMs)) return [];
      return [{ type: 'FreezeQuiesced', data: { freeze_id: state.freezeId, unknown_reservations: earlierClaims.map((claim) => claim.reservationId) } }];
    }
    case 'LiftFreeze': {
      if (state.status === 'None') return refuse('NOT_FOUND');
      if (state.status === 'Lifted') return refuse('CONFLICT', 'this freeze is already lifted');
      const { reason, fenceEpoch } = command.data;
      if (reason.trim() === '') return refuse('REASON_REQUIRED');
      return [{ type: 'FreezeLifted', data: { freeze_id: state.freezeId, reason, fence_epoch: fenceEpoch } }];
    }
  }
};

export const evolveFreeze = (state: Freeze, event: FreezeEvent): Freeze => {
  switch (event.type) {
    case 'FreezeApplied':
      return { status: 'Applied', freezeId: event.data.freeze_id, scope: event.data.scope, value: event.data.value, fenceEpoch: event.data.fence_epoch };
    case 'FreezeQuiesced':
      return state.status === 'None' ? state : { ...state, status: 'Quiesced' };
    case 'FreezeLifted':
      return state.status === 'None' ? state : { ...state, status: 'Lifted' };
  }
};
