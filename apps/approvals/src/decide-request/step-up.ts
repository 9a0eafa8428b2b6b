import { Injectable } from '@nestjs/common';
import { count, record } from '@exequatur/contracts';
import type { ApprovalCommand } from '@exequatur/approvals-domain';
import { refuse } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import { ConfigError, Problem, shaped } from '@exequatur/service-kit';
import { ApprovalsConfig } from '../approvals-config.js';

const VARIABLE = 'EXEQUATUR_STEP_UP';
/** Stands for every class that is not named. */
const ANY_CLASS = '*';
/** A provider's clock may be ahead of the database's by as much. */
const CLOCK_TOLERANCE_SECONDS = 60;

/** Seconds by class; `record` bounds how many. */
const agesShape = record(count(31_536_000), 200);

const readAges = (source: string | undefined): Readonly<Record<string, number>> => {
  if (source === undefined) return {};
  try {
    return shaped(agesShape, JSON.parse(source));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof Problem) throw new ConfigError([`${VARIABLE} must be JSON such as {"financial":300,"*":28800}: seconds by class`]);
    throw error;
  }
};

/** How recent a sign-in must be to say yes to actions of a class. Saying no, asking and putting off never needs one. */
@Injectable()
export class StepUp {
  private readonly ages: Readonly<Record<string, number>>;

  /** @throws ConfigError */
  constructor(config: ApprovalsConfig) {
    this.ages = readAges(config.EXEQUATUR_STEP_UP);
  }

  /** Seconds; undefined where any sign-in does. */
  maxAgeSeconds(actionClass: string | undefined): number | undefined {
    return actionClass !== undefined && Object.hasOwn(this.ages, actionClass) ? this.ages[actionClass] : this.ages[ANY_CLASS];
  }

  /** A sign-in nobody knows the time of, as behind a standing access token, is never recent enough. `now` in Unix ms. */
  isRecent(actionClass: string | undefined, authTime: number | undefined, now: number): boolean {
    const maxAge = this.maxAgeSeconds(actionClass);
    if (maxAge === undefined) return true;
    const age = authTime === undefined ? Number.POSITIVE_INFINITY : now / 1_000 - authTime;
    return age <= maxAge && age >= -CLOCK_TOLERANCE_SECONDS;
  }

  /** Why this command needs a fresh sign-in first; undefined when it does not. */
  refusal(command: ApprovalCommand, actionClass: string | undefined, authTime: number | undefined, now: number): Refusal | undefined {
    if (!givesAuthority(command) || this.isRecent(actionClass, authTime, now)) return undefined;
    return refuse('STEP_UP_REQUIRED', `sign in again: at most ${this.maxAgeSeconds(actionClass) ?? 0} seconds before this decision`);
  }
}

const givesAuthority = (command: ApprovalCommand): boolean => command.type === 'Edit' || command.type === 'BreakGlass' || (command.type === 'Vote' && command.data.vote === 'approve');
