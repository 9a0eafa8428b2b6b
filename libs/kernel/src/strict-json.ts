import { numberFault } from './json-number.js';
import type { JsonValue } from './json.js';
import { pointerText } from './pointer.js';

export type StrictJsonReason =
  | 'too_large'
  | 'invalid_utf8'
  | 'bom'
  | 'syntax'
  | 'too_deep'
  | 'duplicate_key'
  | 'forbidden_key'
  | 'lone_surrogate'
  | 'unsafe_number'
  | 'negative_zero';

/** Input is refused. `code` is the contract's reason code, `reason` the stable word for which rule it broke. */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError';
  constructor(
    readonly code: 'MALFORMED' | 'TOO_LARGE',
    readonly reason: StrictJsonReason,
    /** JSON Pointer of the value, or of the member whose key is at fault; '' is the whole document. */
    readonly pointer: string,
    /** Offset in the decoded text, in UTF-16 units; 0 when the bytes could not be decoded. */
    readonly position: number,
  ) {
    super(`${reason} at position ${position}${pointer === '' ? '' : ` (${pointer})`}`);
  }
}

export interface StrictJsonLimits {
  readonly maxBytes: number;
  /** Nested arrays and objects; `[]` has depth 1. */
  readonly maxDepth: number;
}

export const STRICT_JSON_LIMITS: StrictJsonLimits = { maxBytes: 256 * 1024, maxDepth: 32 };

/**
 * Reads JSON as contracts.md "Canonical form" and reliability.md section 3 ask: RFC 8259 grammar and, while reading,
 * no duplicate key, lone surrogate, `__proto__` key, byte-order mark, -0, or number that a double does not hold; bounded
 * size and depth. What it returns can be canonicalised and hashed without loss.
 * @throws StrictJsonError, never another error, on any input.
 */
export const parseStrict = (input: Uint8Array | string, limits: Partial<StrictJsonLimits> = {}): JsonValue => {
  const { maxBytes, maxDepth } = { ...STRICT_JSON_LIMITS, ...limits };
  const size = typeof input === 'string' ? Buffer.byteLength(input, 'utf8') : input.byteLength;
  if (size > maxBytes) throw new StrictJsonError('TOO_LARGE', 'too_large', '', 0);
  return new Scanner(typeof input === 'string' ? input : decode(input), maxDepth).document();
};

const decode = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new StrictJsonError('MALFORMED', 'invalid_utf8', '', 0);
  }
};

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** With the u flag a paired surrogate is part of its character, so only lone ones match. */
const LONE_SURROGATE = /\p{Surrogate}/u;
/** Characters that stand for themselves, surrogate pairs among them; a few more (U+007F to U+009F) are taken one by one. */
const PLAIN = /[^"\\\p{Cc}\p{Surrogate}]*/uy;
const HEX4 = /[0-9a-fA-F]{4}/y;
const ESCAPES: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** One pass over the text. Recursion is safe because `maxDepth` is checked before each step down. */
class Scanner {
  private at = 0;
  /** Keys and indexes on the way to the value being read. */
  private readonly path: (string | number)[] = [];

  constructor(
    private readonly text: string,
    private readonly maxDepth: number,
  ) {}

  document(): JsonValue {
    if (this.text.charCodeAt(0) === 0xfeff) this.fail('bom');
    this.blank();
    const value = this.value(0);
    this.blank();
    if (this.at < this.text.length) this.fail('syntax');
    return value;
  }

  private value(depth: number): JsonValue {
    const code = this.text.charCodeAt(this.at);
    switch (code) {
      case OPEN_BRACE:
        return this.object(this.deeper(depth));
      case OPEN_BRACKET:
        return this.array(this.deeper(depth));
      case QUOTE:
        return this.string();
      case 0x74:
        return this.word('true', true);
      case 0x66:
        return this.word('false', false);
      case 0x6e:
        return this.word('null', null);
      default:
        return this.number();
    }
  }

  private deeper(depth: number): number {
    if (depth >= this.maxDepth) this.fail('too_deep');
    return depth + 1;
  }

  private object(depth: number): JsonValue {
    const members: Record<string, JsonValue> = {};
    this.at += 1;
    this.blank();
    if (this.take(CLOSE_BRACE)) return members;
    do {
      this.blank();
      const keyAt = this.at;
      if (this.text.charCodeAt(this.at) !== QUOTE) this.fail('syntax');
      const key = this.string();
      this.path.push(key);
      if (key === '__proto__') this.fail('forbidden_key', keyAt);
      if (Object.hasOwn(members, key)) this.fail('duplicate_key', keyAt);
      this.blank();
      if (!this.take(COLON)) this.fail('syntax');
      this.blank();
      members[key] = this.value(depth);
      this.path.pop();
      this.blank();
    } while (this.take(COMMA));
    if (!this.take(CLOSE_BRACE)) this.fail('syntax');
    return members;
  }

  private array(depth: number): JsonValue {
    const elements: JsonValue[] = [];
    this.at += 1;
    this.blank();
    if (this.take(CLOSE_BRACKET)) return elements;
    do {
      this.blank();
      this.path.push(elements.length);
      elements.push(this.value(depth));
      this.path.pop();
      this.blank();
    } while (this.take(COMMA));
    if (!this.take(CLOSE_BRACKET)) this.fail('syntax');
    return elements;
  }

  private string(): string {
    const startAt = this.at;
    const end = this.plainTo(startAt + 1);
    // Nearly every string is one plain run; it cannot hold a lone surrogate.
    if (this.text.charCodeAt(end) === QUOTE) {
      this.at = end + 1;
      return this.text.slice(startAt + 1, end);
    }
    let result = '';
    for (this.at = startAt + 1; ; ) {
      const runEnd = this.plainTo(this.at);
      result += this.text.slice(this.at, runEnd);
      this.at = runEnd;
      const code = this.text.charCodeAt(runEnd);
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        result += this.escape();
      } else if (code >= 0x20) {
        result += this.text.charAt(runEnd);
        this.at += 1;
      } else {
        // A control character, or the end of the text.
        this.fail('syntax');
      }
    }
    this.at += 1;
    if (LONE_SURROGATE.test(result)) this.fail('lone_surrogate', startAt);
    return result;
  }

  /** Where the run of plain characters from `from` ends. */
  private plainTo(from: number): number {
    PLAIN.lastIndex = from;
    PLAIN.test(this.text);
    return PLAIN.lastIndex;
  }

  /** Reads one escape and leaves `at` behind it. */
  private escape(): string {
    const letter = this.text.charAt(this.at + 1);
    if (letter === 'u') {
      HEX4.lastIndex = this.at + 2;
      const hex = HEX4.exec(this.text)?.[0];
      if (hex === undefined) return this.fail('syntax');
      this.at += 6;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const plain = letter === '' ? undefined : ESCAPES[letter];
    if (plain === undefined) return this.fail('syntax');
    this.at += 2;
    return plain;
  }

  private number(): number {
    NUMBER.lastIndex = this.at;
    const text = NUMBER.exec(this.text)?.[0];
    if (text === undefined) return this.fail('syntax');
    const value = Number(text);
    const fault = numberFault(text, value);
    if (fault !== undefined) this.fail(fault);
    this.at += text.length;
    return value;
  }

  private word<V extends JsonValue>(word: string, value: V): V {
    if (!this.text.startsWith(word, this.at)) this.fail('syntax');
    this.at += word.length;
    return value;
  }

  private take(code: number): boolean {
    if (this.text.charCodeAt(this.at) !== code) return false;
    this.at += 1;
    return true;
  }

  private blank(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at += 1;
    }
  }

  private fail(reason: StrictJsonReason, position = this.at): never {
    throw new StrictJsonError('MALFORMED', reason, pointerText(this.path), position);
  }
}
