/** Where a command writes, and what it is told from outside. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** EXEQUATUR_URL and EXEQUATUR_TOKEN are read by commands that speak to a server */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** asks whoever sits there, and gives the line they type; absent where nobody does */
  readonly ask?: (question: string) => Promise<string>;
}

/** What a command ends with; documented in docs/reference/cli.md. */
export const EXIT = {
  done: 0,
  /** the answer is no: faults in a file, a case that fails, a change that was not to be */
  no: 1,
  /** the command cannot be read, or a file it names is not there */
  usage: 2,
  /** the server cannot be reached, or refuses */
  server: 3,
  /** time is up, and nobody has decided */
  waiting: 4,
} as const;

/** Ends a command with a message and no stack: what went wrong is the caller's to change. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  constructor(
    readonly exit: (typeof EXIT)[keyof typeof EXIT],
    message: string,
  ) {
    super(message);
  }
}

export const line = (terminal: Terminal, text: string): void => terminal.out(`${text}\n`);
