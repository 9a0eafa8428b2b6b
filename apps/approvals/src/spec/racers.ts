import { Racers } from '@exequatur/testing';
import type { RaceAnswer, RaceRequest, RaceSetup } from './race-child.js';

/** Processes of approvals on one database. */
export type ApprovalRacers = Racers<RaceSetup, RaceRequest, RaceAnswer>;
export const startRacers = (count: number, setup: RaceSetup): Promise<ApprovalRacers> => Racers.start(new URL('./race-child.ts', import.meta.url), count, setup);
