/**
 * What one entry of a list in caps allows. `covers` must be reflexive and transitive, and any two entries either share
 * nothing or one covers the other: so lists intersect by keeping the covered one of each pair.
 */
export interface PatternKind {
  /** True when everything the inner entry allows, the outer one allows too. */
  covers(outer: string, inner: string): boolean;
  /** One spelling for entries that allow the same. */
  normal(entry: string): string;
  /** True for text that names one thing; a wildcard or nonsense in a fact matches no entry. */
  isConcrete(fact: string): boolean;
}

/** Environments, tools, models: the same text and nothing else. */
export const exactText: PatternKind = {
  covers: (outer, inner) => outer === inner,
  normal: (entry) => entry,
  isConcrete: (fact) => fact !== '',
};

const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
/** A wildcard may not end in a number: `*.0.0.1` would take in addresses. */
const DOMAIN = `(?:${LABEL}\\.)*(?![0-9]+$)${LABEL}`;
const WILDCARD_HOST = new RegExp(`^\\*\\.(${DOMAIN})$`);
const ONE_HOST = new RegExp(`^((?:${LABEL}\\.)*${LABEL}|\\[[0-9a-f:.]{2,45}\\])(?::([1-9][0-9]{0,4}))?$`);

/**
 * `host` (any port), `host:port`, or `*.domain` (every name below it, any port, not the domain itself). ASCII, case-blind;
 * international names in their xn-- form. What is none of these is equal to itself and allows nothing.
 */
export const hostPattern: PatternKind = {
  normal: (entry) => entry.toLowerCase(),
  isConcrete: (fact) => ONE_HOST.test(fact.toLowerCase()),
  covers: (outerEntry, innerEntry) => {
    const outer = outerEntry.toLowerCase();
    const inner = innerEntry.toLowerCase();
    if (outer === inner) return true;
    const innerDomain = WILDCARD_HOST.exec(inner)?.[1];
    const innerHost = ONE_HOST.exec(inner);
    const outerDomain = WILDCARD_HOST.exec(outer)?.[1];
    if (outerDomain !== undefined) return (innerDomain ?? innerHost?.[1] ?? '').endsWith(`.${outerDomain}`);
    const outerHost = ONE_HOST.exec(outer);
    // The same host: only an entry without a port covers one with.
    return innerHost !== null && outerHost !== null && outerHost[1] === innerHost[1] && outerHost[2] === undefined;
  },
};

/** RFC 5322 dot-atom without quoting, comments or lists: `a@evil.example, b@good.example` must not pass for the domain at its end. */
const ADDRESS = new RegExp(`^([A-Za-z0-9!#$%&'*+/=?^_\`{|}~-]+(?:\\.[A-Za-z0-9!#$%&'*+/=?^_\`{|}~-]+)*)@(${DOMAIN})$`, 'i');

/**
 * One address, or `*@domain` (every address of exactly that domain). Domains are case-blind, the part before the @ is not.
 * Text that is no mail address (a channel, an account) is equal to itself only.
 */
export const recipientPattern: PatternKind = {
  normal: (entry) => {
    const match = ADDRESS.exec(entry);
    return match === null ? entry : `${match[1]}@${match[2]?.toLowerCase()}`;
  },
  isConcrete: (fact) => fact !== '' && ADDRESS.exec(fact)?.[1] !== '*' && !fact.startsWith('*@'),
  covers: (outerEntry, innerEntry) => {
    const outer = recipientPattern.normal(outerEntry);
    const inner = recipientPattern.normal(innerEntry);
    if (outer === inner) return true;
    const outerAddress = ADDRESS.exec(outer);
    return outerAddress?.[1] === '*' && ADDRESS.exec(inner)?.[2] === outerAddress[2];
  },
};
