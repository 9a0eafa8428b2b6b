/** `npm start`: install and build when needed, then all services in one process. Options go to apps/standalone. */
import { ensureBuilt, ensureInstalled, requireNode } from './prepare.mjs';

requireNode();
ensureInstalled();
ensureBuilt();
await import('../apps/standalone/dist/main.js');
