/** `tenant:acme/workspace:sales` → [`tenant:acme`, `tenant:acme/workspace:sales`]: the path itself last. */
export const pathAndAncestors = (scopePath: string): readonly string[] => {
  const segments = scopePath.split('/');
  return segments.map((_, index) => segments.slice(0, index + 1).join('/'));
};

/** The tenant a scope path names: `tenant:acme/app:x` → `acme`. */
export const tenantOfScopePath = (scopePath: string): string => (scopePath.split('/')[0] ?? '').slice('tenant:'.length);

/** True for the place itself and for everything below it, by whole segments. */
export const isOnOrBelow = (scopePath: string, place: string): boolean => scopePath === place || (scopePath.startsWith(place) && scopePath[place.length] === '/');
