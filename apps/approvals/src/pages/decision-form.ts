import { shownAmount, type RequestFacts, unitOfExtractor, type VoteCaps } from '@exequatur/approvals-domain';
import { AmountError, decimalToUnit, formatAmount, readPointer } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';

/** Forms that make a ballot, and all. */
export const BALLOT_FORMS = ['approve', 'narrow', 'edit', 'new-action', 'reject', 'respond', 'break-glass'] as const;
export const STEERING_FORMS = ['defer', 'assign', 'escalate', 'ask'] as const;
export const FORMS = [...BALLOT_FORMS, ...STEERING_FORMS, 'revoke', 'review'] as const;
export type FormName = (typeof FORMS)[number];

/** A form as it was sent, to be shown again with what was wrong beside each field; `''` is about the form as a whole. */
export interface SentForm {
  readonly form: FormName;
  readonly values: Readonly<Record<string, string>>;
  readonly faults: Readonly<Record<string, string>>;
}

/** Recipients a form lists; more than this can be narrowed over the API only. */
const MOST_RECIPIENTS = 100;

export interface AmountField {
  readonly name: string;
  readonly unit: string;
  /** key of the extractor: what people write amounts in */
  readonly currency: string;
  readonly proposed: string;
}

/** Amounts of this request that a person may make smaller, in the form's terms. */
export const amountFields = (request: RequestFacts): readonly AmountField[] =>
  Object.keys(request.narrowable.amounts ?? {}).flatMap((currency) => {
    const unit = unitOfExtractor(currency);
    const proposed = request.facts.amounts.find((each) => each.unit === unit);
    return proposed === undefined ? [] : [{ name: `amount_${currency}`, unit, currency, proposed: shownAmount(unit, BigInt(proposed.amount)) }];
  });

/** Recipients that a person may strike out; none when there is just one, or the tool declares none. */
export const recipientChoices = (request: RequestFacts, proposed: JsonValue | undefined): readonly string[] => {
  const value = request.narrowable.recipients === undefined || proposed === undefined ? undefined : readPointer(proposed, request.narrowable.recipients);
  const isList = Array.isArray(value) && value.length > 1 && value.length <= MOST_RECIPIENTS && value.every((each) => typeof each === 'string');
  return isList ? (value as readonly string[]) : [];
};

type Fields = Readonly<Record<string, string>>;
export interface CapsFromForm {
  readonly caps: VoteCaps;
  readonly faults: Readonly<Record<string, string>>;
}

/** Caps from the fields of "approve narrower"; an empty field narrows nothing. */
export const capsFromForm = (fields: Fields, request: RequestFacts, proposed: JsonValue | undefined): CapsFromForm => {
  const faults: Record<string, string> = {};
  const maxAmount: Record<string, string> = {};
  for (const { name, currency, unit } of amountFields(request)) {
    const text = (fields[name] ?? '').trim();
    if (text === '') continue;
    const amount = amountFrom(text, currency);
    if (amount === undefined) faults[name] = currency === 'USD' ? 'Write an amount such as 42.00.' : 'Write a whole number.';
    else maxAmount[unit] = amount;
  }
  const minutes = (fields['minutes'] ?? '').trim();
  if (minutes !== '' && !/^[1-9]\d{0,5}$/.test(minutes)) faults['minutes'] = 'Write whole minutes, such as 5.';
  const choices = recipientChoices(request, proposed);
  const kept = choices.filter((_, index) => fields[`recipient_${index}`] !== undefined);
  if (choices.length > 0 && kept.length === 0) faults['recipients'] = 'Keep at least one recipient, or reject the request.';
  const caps: VoteCaps = {
    ...(Object.keys(maxAmount).length === 0 ? {} : { max_amount: maxAmount }),
    ...(kept.length === choices.length ? {} : { allowed_recipients: kept }),
    ...(minutes === '' || faults['minutes'] !== undefined ? {} : { expires_in_ms: Number(minutes) * 60_000 }),
  };
  if (Object.keys(faults).length === 0 && Object.keys(caps).length === 0) faults[''] = 'Nothing is narrower here. Change a field, or approve as proposed.';
  return { caps, faults };
};

const amountFrom = (text: string, currency: string): string | undefined => {
  try {
    return formatAmount(decimalToUnit(text, currency).amount);
  } catch (error) {
    if (error instanceof AmountError) return undefined;
    throw error;
  }
};

/** The field of a form that a refusal's pointer is about; `''` when it is about none. */
export const fieldOfPointer = (pointer: string | undefined, request: RequestFacts): string => {
  const amount = /^\/caps\/max_amount\/(.+)$/.exec(pointer ?? '')?.[1];
  if (amount !== undefined) return amountFields(request).find(({ unit }) => unit === amount)?.name ?? '';
  const names: Readonly<Record<string, string>> = { '/caps/expires_in_ms': 'minutes', '/caps/allowed_recipients': 'recipients', '/reason': 'reason', '/response': 'response', '/question': 'question', '/words': 'words', '/until': 'minutes', '/minutes': 'minutes', '/to_role': 'to', '/to_person': 'to' };
  if (pointer?.startsWith('/arguments') === true) return 'arguments';
  return names[pointer ?? ''] ?? '';
};
