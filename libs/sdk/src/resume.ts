import type { ActionView, ExequaturClient, ParkedRun } from './client.js';

/** One action of a run that was parked, how it stands now, and the bytes that were parked with it. */
export interface ResumedAction {
  readonly parked: ParkedRun;
  /** `granted`, `answered`, `rejected`, … or still `awaiting_approval` */
  readonly action: ActionView;
  /** absent once the action was erased */
  readonly checkpoint?: Uint8Array;
}

/**
 * Finds a parked run again, in whatever process: what was decided, and the state to go on from, oldest first. Then
 * `resumeGoverned(tool, options, action.action_id)` executes what was granted, once: its reservation is taken under one
 * grant, whichever process asks.
 */
export const resumeRun = async (client: ExequaturClient, runId: string): Promise<readonly ResumedAction[]> => {
  const resumed: ResumedAction[] = [];
  for (const parked of await client.parked(runId)) {
    const action = await client.action(parked.action_id);
    const checkpoint = await client.checkpoint(parked.approval_id);
    resumed.push({ parked, action, ...(checkpoint === undefined ? {} : { checkpoint }) });
  }
  return resumed;
};
