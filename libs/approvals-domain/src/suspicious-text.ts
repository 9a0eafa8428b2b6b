/**
 * What a text tries rather than what it hides. Hints for the eye, found by patterns: their absence proves nothing, and
 * nothing is decided by them.
 */
export type Suspicion = 'markup' | 'speaks_to_reviewer' | 'link_names_other_host';

const MARKUP = /<\/?[a-z!][^<>]{0,200}>|\[[^\]]{0,200}\]\([^)]{0,500}\)|\b(?:javascript|vbscript|data):\S|(?:&#x?[0-9a-f]{2,7};){4}/i;
/** Bounded gaps only, so that a long hostile text costs one pass for each. */
const SPEAKS: readonly RegExp[] = [
  /\b(?:ignore|disregard|forget|override|overrule|bypass|skip|suspend|disable|circumvent)\b[^.\n]{0,60}\b(?:previous|prior|above|earlier|all|any|your|the|system|safety|security|polic(?:y|ies)|rules?|instructions?|guardrails?|approvals?|checks?|restrictions?|filters?|review)\b/i,
  /\b(?:approve|authori[sz]e|accept|confirm)\b[^.\n]{0,40}\b(?:this|it|immediately|now|without|automatically|silently)\b/i,
  /\b(?:already|pre-?)\s*(?:been\s+)?(?:approved|authori[sz]ed)\b|\bno (?:approval|review) (?:is )?(?:needed|required)\b/i,
  /\bsystem (?:prompt|message|override|instructions?)\b|\byou are now\b|\b(?:developer|debug|admin|god|maintenance) mode\b|\bjailbreak\b|\bnew instructions?\b/i,
  /\b(?:do not|don't|never)\b[^.\n]{0,20}\b(?:tell|show|flag|alert|escalate|mention|log|report|ask|inform|notify)\b/i,
];

export const suspicionsIn = (text: string): readonly Suspicion[] => [
  ...(MARKUP.test(text) ? (['markup'] as const) : []),
  ...(SPEAKS.some((pattern) => pattern.test(text)) ? (['speaks_to_reviewer'] as const) : []),
];

const HOST = /(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}/gi;

/** The host that a link leads to, lower case; undefined for what is no plain link. */
const hostOf = (url: string): string | undefined => /^https?:\/\/([^/?#@\s]+)(?:[/?#]|$)/i.exec(url)?.[1]?.replace(/:\d+$/, '').toLowerCase();

/** A link whose words name another host than the one it leads to, or that hides its host behind a user name or another script. */
export const linkSuspicions = (title: string, url: string): readonly Suspicion[] => {
  const host = hostOf(url);
  const hidden = host === undefined || host.includes('xn--') || !/^[\x21-\x7e]+$/.test(host);
  const others = host === undefined ? [] : (title.match(HOST) ?? []).map((named) => named.toLowerCase()).filter((named) => named !== host && `www.${named}` !== host);
  return hidden || others.length > 0 ? ['link_names_other_host'] : [];
};
