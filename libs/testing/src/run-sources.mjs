/** `node --import <this> <file>.ts`: runs workspace sources without a build, for processes that specs start and kill. */
import { register } from 'node:module';

register('./source-hooks.mjs', import.meta.url);
