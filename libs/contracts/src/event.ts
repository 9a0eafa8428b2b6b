import type { Schema, Shape } from './schema.js';
import type { ServiceName, TopicContext } from './topics.js';

/** What an event type is: a literal name and version, its owner, and the shapes of its open and sealed parts. */
export interface EventDefinition<N extends string = string, D = unknown, S = unknown> {
  readonly name: N;
  readonly version: number;
  readonly context: TopicContext;
  /** The one service that may publish it. `StreamHeadsPublished`-like facts that every service owns say `any`. */
  readonly owner: ServiceName | 'any';
  /** Kind of aggregate whose stream it lives on; the stream is `<aggregate>/<subject>`. */
  readonly aggregate: string;
  /** True when it creates, ends or widens authority: consumers verify its origin before acting on it. */
  readonly authority: boolean;
  readonly summary: string;
  readonly data: Schema<D>;
  /** Shape of the plaintext that is encrypted into the envelope's `sealed`, where the event has one. */
  readonly sealed?: Schema<S>;
  /** `dev.exequatur.<context>.<Event>.v<n>` */
  readonly type: string;
}

export type DataOf<E> = E extends EventDefinition<string, infer D, unknown> ? D : never;
export type SealedOf<E> = E extends EventDefinition<string, unknown, infer S> ? S : never;

interface Declaration<N extends string, D, S> {
  name: N;
  version: number;
  context: TopicContext;
  owner: ServiceName | 'any';
  aggregate: string;
  authority?: boolean;
  summary: string;
  data: Schema<D>;
  sealed?: Schema<S>;
}

export const defineEvent = <const N extends string, D, S = never>(declaration: Declaration<N, D, S>): EventDefinition<N, D, S> => ({
  authority: false,
  ...declaration,
  type: `dev.exequatur.${declaration.context}.${declaration.name}.v${declaration.version}`,
});

export type { Shape };
