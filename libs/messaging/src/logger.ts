/** What the transports need of a logger; pino and Nest's loggers both fit behind two lines. `fields` hold no message contents. */
export interface MessagingLogger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const nothing = (): void => undefined;

export const silentLogger: MessagingLogger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** The text of whatever was thrown, for log fields. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message || error.name : String(error));
