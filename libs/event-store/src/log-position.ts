/** Place in the order all of a service's events are read in: writer's transaction id, then number within it; decimal text. */
export interface LogPosition {
  readonly xid: string;
  readonly position: string;
}

export const LOG_START: LogPosition = { xid: '0', position: '0' };
