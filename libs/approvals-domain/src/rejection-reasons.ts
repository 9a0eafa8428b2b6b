/** What people reject with where their tenant has said nothing else. */
export const DEFAULT_REJECTION_REASONS: readonly string[] = ['wrong_facts', 'wrong_target', 'too_much', 'not_now', 'against_policy', 'other'];
