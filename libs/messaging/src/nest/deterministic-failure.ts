import { RpcException } from '@nestjs/microservices';

/**
 * Thrown by a handler when this event can never be taken, however often it is tried and however healthy everything is. It
 * goes to the dead-letter topic and its stream waits for an operator. Anything else that a handler throws is tried again
 * for ever.
 */
export class DeterministicFailure extends RpcException {
  /**
   * @param code stable, SCREAMING_SNAKE_CASE
   * @param detail for the operator; no contents of the event
   */
  constructor(
    readonly code: string,
    readonly detail: string,
  ) {
    super(`${code}: ${detail}`);
    this.name = 'DeterministicFailure';
  }

  /** Nest hands on what this returns and hides every other exception behind "Internal server error": so, itself. */
  override getError(): object {
    return this;
  }
}
