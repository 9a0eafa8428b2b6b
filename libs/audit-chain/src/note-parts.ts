import { strictBase64 } from './encoding.js';

/** A signature line of a note (c2sp.org/signed-note), whoever made it. */
export interface NoteSignature {
  readonly name: string;
  /** first four bytes */
  readonly keyId: Buffer;
  /** what follows the key id; its meaning hangs on the key's type */
  readonly signature: Buffer;
}

export interface NoteParts {
  /** the signed text, its newline included */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const MOST_SIGNATURES = 100;
const MOST_CHARACTERS = 65_536;
const SIGNATURE_LINE = /^\u2014 (\S+) (\S+)$/u;
/** Control characters other than newline; the specification names those below U+0020, here U+007F to U+009F too. */
const CONTROL = /[^\P{Cc}\n]/u;

/** One signature line, or undefined when it is none. */
export const readSignatureLine = (line: string): NoteSignature | undefined => {
  const [, name, encoded = ''] = SIGNATURE_LINE.exec(line) ?? [];
  const bytes = strictBase64(encoded, 'base64');
  return name === undefined || bytes === undefined || bytes.length < 5 ? undefined : { name, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) };
};

/** Text and signature lines of a note; undefined when it is none. Says nothing about the signatures. */
export const notePartsOf = (note: string): NoteParts | undefined => {
  const border = note.lastIndexOf('\n\n');
  if (note.length > MOST_CHARACTERS || border < 0 || !note.endsWith('\n') || CONTROL.test(note)) return undefined;
  const lines = note.slice(border + 2, -1).split('\n');
  if (lines.length > MOST_SIGNATURES) return undefined;
  const signatures = lines.map(readSignatureLine);
  return signatures.every((each) => each !== undefined) ? { text: note.slice(0, border + 1), signatures } : undefined;
};
