import fc from 'fast-check';

export interface RandomProposal {
  readonly arguments: { readonly amount: string; readonly account: string; readonly more: Readonly<Record<string, unknown>> };
  readonly reasoning: string;
  readonly businessImpact: string;
}

/** Any text that JSON in UTF-8 can hold: controls, marks that turn the line round, planes beyond the first; no halves of pairs. */
const words = fc.string({ unit: 'binary', maxLength: 60 }).map((text) => Buffer.from(text, 'utf8').toString('utf8'));
const value = fc.oneof(words, fc.integer(), fc.boolean(), fc.constant(null), fc.array(words, { maxLength: 3 }));
const names = fc.string({ maxLength: 8 }).filter((key) => key !== '__proto__');

/** The same ones for the same seed. */
export const randomProposals = (howMany: number, seed: number): readonly RandomProposal[] =>
  fc.sample(
    fc.record({
      arguments: fc.record({ amount: fc.constantFrom('1.00', '99.99', '0.10'), account: words, more: fc.dictionary(names, value, { maxKeys: 4, noNullPrototype: true }) }),
      reasoning: words,
      businessImpact: words,
    }),
    { numRuns: howMany, seed },
  );
