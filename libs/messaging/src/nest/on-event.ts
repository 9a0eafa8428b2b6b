import type { DataOf, EventDefinition } from '@exequatur/contracts';
import { EventPattern } from '@nestjs/microservices';
import type { Delivery } from './delivery.js';

type HandlerMethod<D> = (delivery: Delivery<D>) => unknown;

/** Nest's `@EventPattern(definition.type)`, with the parameter's type checked: the method takes `@Payload() delivery: Delivery<D>`. */
export const OnEvent =
  <D, S>(definition: EventDefinition<string, D, S>) =>
  <M extends HandlerMethod<D>>(target: object, name: string | symbol, descriptor: TypedPropertyDescriptor<M>): void => {
    EventPattern<string>(definition.type)(target, name, descriptor);
  };

type RunHandlerMethod<D> = (deliveries: readonly Delivery<D>[]) => unknown;

/** Under which Nest hands the mark of a run handler on to the strategy. */
const RUN = 'exequatur.run';

/**
 * Like `@OnEvent`, for a method that takes events of several types in runs: `@Payload() deliveries: readonly Delivery<D>[]`,
 * one or more events, each stream's in order. It makes all their effects or none (`inbox.onceMany`), or each by itself
 * (`inbox.once`); when it throws, the events come again one by one, each as a run of its own, so that only the one that cannot
 * be taken is refused.
 */
export const OnEvents =
  <T extends readonly EventDefinition[]>(...definitions: T) =>
  <M extends RunHandlerMethod<DataOf<T[number]>>>(target: object, name: string | symbol, descriptor: TypedPropertyDescriptor<M>): void => {
    EventPattern(definitions.map(({ type }) => type), { [RUN]: {} })(target, name, descriptor);
  };

/** The mark that all types of one `@OnEvents` method share; undefined for a method that takes its events one by one. */
export const runHandlerIn = (extras: Readonly<Record<string, unknown>>): object | undefined => {
  const mark = extras[RUN];
  return typeof mark === 'object' && mark !== null ? mark : undefined;
};
