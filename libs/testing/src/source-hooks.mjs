import { fileURLToPath } from 'node:url';
import { transformFile } from '@swc/core';

const repository = new URL('../../../', import.meta.url);
const configFile = fileURLToPath(new URL('.swcrc', repository));

export const resolve = (specifier, context, next) => {
  const workspace = /^@exequatur\/([^/]+)$/.exec(specifier);
  if (workspace) return { url: new URL(`libs/${workspace[1]}/src/index.ts`, repository).href, shortCircuit: true };
  if (specifier.startsWith('.') && context.parentURL?.endsWith('.ts')) return { url: new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL).href, shortCircuit: true };
  return next(specifier, context);
};

export const load = async (url, context, next) => {
  if (!url.endsWith('.ts')) return next(url, context);
  const { code } = await transformFile(fileURLToPath(url), { configFile });
  return { format: 'module', source: code, shortCircuit: true };
};
