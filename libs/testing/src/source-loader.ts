import { fileURLToPath } from 'node:url';

/** For `--import`: a child process that a spec races or kills then runs workspace sources as they are, without a build. */
export const sourceLoader: string = fileURLToPath(new URL('./run-sources.mjs', import.meta.url));
