/** What one step showed. `verdict` and `code` as the services said them; `notes` are facts worth reading. */
export interface Shown {
  readonly verdict?: string;
  readonly code?: string | undefined;
  readonly notes?: readonly string[];
}

export interface StepResult extends Shown {
  readonly step: number;
  readonly title: string;
  readonly ok: boolean;
  readonly ms: number;
  readonly error?: string;
}

/** A step did not do what it should. */
export class StoryBroken extends Error {
  override readonly name = 'StoryBroken';
}

export const expectThat: (holds: boolean, what: string) => asserts holds = (holds, what) => {
  if (!holds) throw new StoryBroken(what);
};

export interface Narrator {
  chapter(title: string): void;
  /** Runs a step, tells it, and remembers whether it held. Later steps still run, so that one look shows everything. */
  step(title: string, run: () => Promise<Shown>): Promise<void>;
  finish(): readonly StepResult[];
}

const PLAIN = { bold: '', dim: '', good: '', bad: '', accent: '', reset: '' };
const COLOURED = { bold: '\x1b[1m', dim: '\x1b[2m', good: '\x1b[32m', bad: '\x1b[31m', accent: '\x1b[36m', reset: '\x1b[0m' };

export const narrator = (options: { readonly json: boolean; readonly colours: boolean; readonly write: (line: string) => void }): Narrator => {
  const ink = options.colours ? COLOURED : PLAIN;
  const results: StepResult[] = [];
  const tell = (result: StepResult): void => {
    if (options.json) {
      options.write(JSON.stringify(result));
      return;
    }
    const mark = result.ok ? `${ink.good}✓${ink.reset}` : `${ink.bad}✗${ink.reset}`;
    const said = [result.verdict, result.code].filter(Boolean).join(' · ');
    options.write(`  ${mark} ${String(result.step).padStart(2)}  ${result.title.padEnd(58)} ${ink.accent}${said.padEnd(34)}${ink.reset} ${ink.dim}${result.ms.toFixed(0).padStart(5)} ms${ink.reset}`);
    for (const note of result.notes ?? []) options.write(`          ${ink.dim}${note}${ink.reset}`);
    if (result.error !== undefined) options.write(`          ${ink.bad}${result.error}${ink.reset}`);
  };
  return {
    chapter: (title) => {
      if (!options.json) options.write(`\n${ink.bold}${title}${ink.reset}`);
    },
    step: async (title, run) => {
      const started = performance.now();
      const base = { step: results.length + 1, title };
      let result: StepResult;
      try {
        const shown = await run();
        result = { ...base, ...shown, ok: true, ms: performance.now() - started };
      } catch (error) {
        result = { ...base, ok: false, ms: performance.now() - started, error: error instanceof Error ? error.message : String(error) };
      }
      results.push(result);
      tell(result);
    },
    finish: () => results,
  };
};
