import type { Schema } from '@exequatur/contracts';

/** Text that goes into a column: PostgreSQL holds every character but U+0000. */
export const plainText = (maxLength: number): Schema<string> => ({ json: { type: 'string', maxLength, pattern: '^[^\\u0000]*$' } });
