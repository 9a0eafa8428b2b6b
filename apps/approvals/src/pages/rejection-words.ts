/** Words of the reason codes that a tenant has as long as it chooses none itself; a code of its own stands for itself. */
const REASON_CODES: readonly (readonly [code: string, words: string])[] = [
  ['wrong_facts', 'The facts are wrong'],
  ['wrong_target', 'Wrong person, account or place'],
  ['too_much', 'Too much'],
  ['not_now', 'Not now'],
  ['against_policy', 'Against our rules'],
  ['other', 'Something else'],
];
/** What the agent is told to do. */
export const INSTRUCTIONS: readonly (readonly [code: string, words: string])[] = [
  ['abort', 'Stop this task'],
  ['reroute', 'Try another way'],
  ['escalate', 'Take it to a person'],
];

const wordsOf = (choices: readonly (readonly [code: string, words: string])[], code = ''): string => choices.find(([known]) => known === code)?.[1] ?? code;
export const reasonWords = (code?: string): string => wordsOf(REASON_CODES, code);
export const instructionWords = (code?: string): string => wordsOf(INSTRUCTIONS, code);
