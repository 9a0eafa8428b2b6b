import { AmountError, decimalToUnit, isJsonObject, isRefusal, readPointer, refuse } from '@exequatur/kernel';
import type { Amounts, JsonValue, Refusal } from '@exequatur/kernel';

/** Where a connector finds in the arguments what caps bound; JSON Pointers (RFC 6901). */
export interface Extractors {
  /** each names a text or a list of texts; what is absent names nobody */
  readonly recipients?: readonly string[];
  /** by currency (`USD`, decimal text or number) or unit (`TOKENS`, a whole number) */
  readonly amounts?: Readonly<Record<string, string>>;
  /** how many rows the call may touch or return */
  readonly rows?: string;
  readonly model?: string;
}

/** What the bytes say that are about to be sent. A field that is left out is not known. */
export interface ExtractedFacts {
  readonly recipients?: readonly string[];
  readonly amounts?: Amounts;
  readonly rows?: number;
  readonly model?: string;
}

type Unfit = Refusal<'CONNECTOR_REFUSED'>;
const unfit = (what: string, pointer: string): Unfit => refuse('CONNECTOR_REFUSED', `the arguments hold no ${what} at ${pointer}`, pointer);

/** Fields that are read as recipients where a connector names no pointers. */
const RECIPIENT_FIELDS = ['to', 'cc', 'bcc', 'recipients'];

/** Reads the facts from the arguments themselves, not from what anybody claimed of them. CONNECTOR_REFUSED: what is declared is not there. */
export const extractFacts = (args: JsonValue, extractors: Extractors): ExtractedFacts | Unfit => {
  const recipients = extractors.recipients === undefined ? usualRecipients(args) : recipientsAt(args, extractors.recipients);
  if (isRefusal(recipients)) return recipients;
  const amounts = extractors.amounts === undefined ? undefined : amountsAt(args, extractors.amounts);
  if (isRefusal(amounts)) return amounts;
  const rows = extractors.rows === undefined ? undefined : rowsAt(args, extractors.rows);
  if (isRefusal(rows)) return rows;
  const model = extractors.model === undefined ? undefined : modelAt(args, extractors.model);
  if (isRefusal(model)) return model;
  return {
    ...(recipients === undefined ? {} : { recipients }),
    ...(amounts === undefined ? {} : { amounts }),
    ...(rows === undefined ? {} : { rows }),
    ...(model === undefined ? {} : { model }),
  };
};

/** Undefined where there are none, or something else than texts: caps on recipients then admit nothing. */
const usualRecipients = (args: JsonValue): readonly string[] | undefined => {
  if (!isJsonObject(args)) return undefined;
  const named = RECIPIENT_FIELDS.flatMap((field) => (args[field] === undefined ? [] : [args[field]])).flat();
  return named.length > 0 && areTexts(named) ? named : undefined;
};

const areTexts = (values: readonly (JsonValue | undefined)[]): values is readonly string[] => values.every((value) => typeof value === 'string' && value !== '');

const recipientsAt = (args: JsonValue, pointers: readonly string[]): readonly string[] | Unfit => {
  const all: string[] = [];
  for (const pointer of pointers) {
    const value = readPointer(args, pointer);
    if (value === undefined) continue;
    const named = Array.isArray(value) ? (value as readonly JsonValue[]) : [value];
    if (!areTexts(named)) return unfit('recipients', pointer);
    all.push(...named);
  }
  return all.length > 0 ? all : unfit('recipients', pointers[0] ?? '');
};

const amountsAt = (args: JsonValue, pointers: Readonly<Record<string, string>>): Amounts | Unfit => {
  const amounts: Record<string, bigint> = {};
  for (const [unitOrCurrency, pointer] of Object.entries(pointers)) {
    const value = readPointer(args, pointer);
    const text = typeof value === 'number' ? String(value) : value;
    if (typeof text !== 'string') return unfit('amount', pointer);
    try {
      const { unit, amount } = decimalToUnit(text, unitOrCurrency);
      amounts[unit] = (amounts[unit] ?? 0n) + amount;
    } catch (error) {
      if (error instanceof AmountError) return unfit('amount', pointer);
      throw error;
    }
  }
  return amounts;
};

const rowsAt = (args: JsonValue, pointer: string): number | Unfit => {
  const value = readPointer(args, pointer);
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : unfit('number of rows', pointer);
};

const modelAt = (args: JsonValue, pointer: string): string | Unfit => {
  const value = readPointer(args, pointer);
  return typeof value === 'string' && value !== '' ? value : unfit('model', pointer);
};
