import { cosignedAt, readWitnessKey } from '@exequatur/audit-chain';
import type { WitnessKey } from '@exequatur/audit-chain';

/** What a witness of the verifier's choice vouches for in this evidence. */
export interface WitnessedHead {
  readonly name: string;
  /** leaves of the largest tree head it has cosigned here; 0 for none */
  readonly size: number;
  /** RFC 3339, by the witness's clock */
  readonly at?: string;
}

/** A text that is no key of a witness. */
export class WitnessKeyError extends Error {
  override readonly name = 'WitnessKeyError';
}

/** @throws WitnessKeyError */
export const witnessKeyOf = (text: string): WitnessKey => {
  const key = readWitnessKey(text.trim());
  if (key === undefined) throw new WitnessKeyError('this is no key of a witness: <name>+<8 hex digits>+<base64>');
  return key;
};

const instantOf = (seconds: number): string => (seconds < 8_640_000_000_000 ? new Date(seconds * 1_000).toISOString() : 'beyond all dates');

/** Watches notes whose log signature holds, and remembers for each witness the largest it cosigned. */
export class Witnesses {
  private readonly largest = new Map<string, WitnessedHead>();

  constructor(private readonly keys: readonly WitnessKey[]) {}

  see(note: string, size: number): void {
    for (const key of this.keys) {
      if (size <= (this.largest.get(key.name)?.size ?? 0)) continue;
      const seconds = cosignedAt(note, key);
      if (seconds !== undefined) this.largest.set(key.name, { name: key.name, size, at: instantOf(seconds) });
    }
  }

  get heads(): readonly WitnessedHead[] {
    return this.keys.map(({ name }) => this.largest.get(name) ?? { name, size: 0 });
  }
}
