import { pointerSteps, readPointer } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { fault } from './findings.js';
import type { Place } from './findings.js';
import { readText } from './values.js';

const HOLE = /\{([^{}]*)\}/g;
/** Longest template, and longest handle of the contract. */
const MAX_HANDLE = 300;

/** `credit-note:{/account}/{/amount}`: how an action is undone, with pointers into its arguments in braces. */
export const readReversal = (place: Place): string | undefined => {
  const template = readText(place, MAX_HANDLE);
  if (template === undefined) return undefined;
  const holes = [...template.matchAll(HOLE)].map(([, pointer = '']) => pointer);
  if (holes.some((pointer) => pointer === '' || pointerSteps(pointer) === undefined)) return fault(place, 'must have JSON Pointers in its braces, such as credit-note:{/account}');
  return /[{}]/.test(template.replace(HOLE, '')) ? fault(place, 'must close what it opens: {/account}') : template;
};

/** The handle for these arguments; undefined where one of the places holds no text or number, or the handle grows too long. */
export const reversalFrom = (template: string, args: JsonValue): string | undefined => {
  let isWhole = true;
  const handle = template.replace(HOLE, (_, pointer: string) => {
    const value = readPointer(args, pointer);
    if (typeof value === 'number') return String(value);
    if (typeof value === 'string' && value !== '') return value;
    isWhole = false;
    return '';
  });
  return isWhole && handle.length <= MAX_HANDLE ? handle : undefined;
};
