import type { Database } from '../database/database.js';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** Safe to show; no connection string. */
  readonly detail?: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly Check[];
}

/** Something that must work for the service to give any authority. */
export interface HealthCheck {
  readonly name: string;
  /** Resolves to a reason when not healthy, to undefined when it is. A throw counts as not healthy. */
  check(): Promise<string | undefined>;
  /** A reason is told, and the service stays ready: something is wrong that does not concern everybody. A throw still counts. */
  readonly degradesOnly?: true;
}

/** A check that takes longer has failed. */
const CHECK_MS = 2_000;
const TOO_LATE = `no answer in ${CHECK_MS} ms`;

/** Checks of one service; apps add their own with `add`. */
export class Health {
  private readonly checks: HealthCheck[] = [];

  add(check: HealthCheck): void {
    this.checks.push(check);
  }

  async readiness(): Promise<Readiness> {
    const checks = await Promise.all(this.checks.map(outcomeOf));
    return { ready: checks.every(({ ok }) => ok), checks };
  }
}

const outcomeOf = async ({ name, check, degradesOnly }: HealthCheck): Promise<Check> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(TOO_LATE), CHECK_MS);
  });
  try {
    const detail = await Promise.race([check(), late]);
    return detail === undefined ? { name, ok: true } : { name, ok: degradesOnly === true && detail !== TOO_LATE, detail };
  } catch {
    // The error may quote addresses or SQL; the log has it from whoever met it in earnest.
    return { name, ok: false, detail: 'failed' };
  } finally {
    clearTimeout(timer);
  }
};

export const databaseCheck = (database: Database): HealthCheck => ({
  name: 'database',
  check: async () => {
    await database.query('SELECT 1');
    return undefined;
  },
});
