import type { HttpRequest } from '@exequatur/service-kit';

const OWN = 'http://own.invalid';

/** A path of ours to go to after signing in; everything that could lead elsewhere becomes the queue. */
export const ownPath = (wanted: string | undefined): string => {
  if (wanted === undefined || !/^\/[\x21-\x7e]{0,500}$/.test(wanted) || /^\/[/\\]/.test(wanted) || wanted.includes('\\')) return '/queue';
  let url: URL;
  try {
    url = new URL(wanted, OWN);
  } catch {
    return '/queue';
  }
  return url.origin === OWN && !url.pathname.startsWith('//') ? url.pathname + url.search : '/queue';
};

export const loginPathFor = (path: string): string => `/login?next=${encodeURIComponent(ownPath(path))}`;

/** Through a fresh sign-in and back, for a decision that needs one. */
export const freshLoginPathFor = (path: string): string => `${loginPathFor(path)}&fresh=1`;

/** The visitor followed a link on another site, so cookies of ours that are SameSite=Strict are not here. */
export const cameFromElsewhere = (request: HttpRequest): boolean => request.headers['sec-fetch-site'] === 'cross-site';
