import type { Actor } from '@exequatur/event-store';

/** What the executor does by itself. */
export const EXECUTOR: Actor = { type: 'service', id: 'executor' };
