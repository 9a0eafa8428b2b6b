import type { EventDefinition } from '@exequatur/contracts';
import { EventPattern } from '@nestjs/microservices';
import type { Delivery } from './delivery.js';

type HandlerMethod<D> = (delivery: Delivery<D>) => unknown;

/** Nest's `@EventPattern(definition.type)`, with the parameter's type checked: the method takes `@Payload() delivery: Delivery<D>`. */
export const OnEvent =
  <D, S>(definition: EventDefinition<string, D, S>) =>
  <M extends HandlerMethod<D>>(target: object, name: string | symbol, descriptor: TypedPropertyDescriptor<M>): void => {
    EventPattern<string>(definition.type)(target, name, descriptor);
  };
