import { createHmac, hkdfSync } from 'node:crypto';

/** Keyed hash of one name of a person; 32 bytes. */
export type TokenOf = (name: string) => Buffer;

/** Names of one action that are indexed, and the longest of them, in characters. */
const MOST_NAMES = 500;
const LONGEST_NAME = 320;

/** Under a key that is neither stored nor used for anything else (HKDF, RFC 5869), and another one for each tenant. */
export const subjectTokens = (keyEncryptionKey: Buffer, tenant: string): TokenOf => {
  const key = Buffer.from(hkdfSync('sha256', keyEncryptionKey, '', `exequatur/data-subject/${tenant}`, 32));
  return (name) => createHmac('sha256', key).update(plainName(name)).digest();
};

/** People write one address in several ways. */
const plainName = (name: string): string => name.normalize('NFKC').trim().toLowerCase();

/**
 * What may name a person in an action: every text of its arguments and its target, and addresses within longer texts. Text longer
 * than a name is searched for addresses only.
 */
export const namesIn = (values: readonly unknown[]): readonly string[] => {
  const names = new Set<string>();
  const visit = (value: unknown): void => {
    if (names.size >= MOST_NAMES) return;
    if (typeof value === 'string') for (const name of namesOfText(value)) names.add(name);
    else if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) visit(each);
  };
  values.forEach(visit);
  return [...names].slice(0, MOST_NAMES);
};

const ADDRESS = /[\p{L}\p{N}._%+-]{1,64}@[\p{L}\p{N}.-]{1,255}/gu;

const namesOfText = (text: string): readonly string[] => {
  const whole = plainName(text);
  return [...(whole === '' || whole.length > LONGEST_NAME ? [] : [whole]), ...(text.match(ADDRESS) ?? []).map(plainName)];
};
