import { Racers } from '@exequatur/testing';
import type { AuthorityCommand } from '../authority/authority-command.js';
import type { RaceSetup } from './race-child.js';

/** Processes of reservations on one database; an outcome is `held`, a status, a code, or `error <message>`. */
export type AuthorityRacers = Racers<RaceSetup, AuthorityCommand, string>;
export const startRacers = (count: number, setup: RaceSetup): Promise<AuthorityRacers> => Racers.start(new URL('./race-child.ts', import.meta.url), count, setup);
