import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateSigningKey, importSigningKey, writeWitnessKey } from '@exequatur/audit-chain';
import type { PrivateJwk } from '@exequatur/audit-chain';
import type { WitnessIdentity } from './witness.js';

interface KeptIdentity {
  readonly name: string;
  readonly key: PrivateJwk;
}

const fileIn = (directory: string): string => join(directory, 'witness-key.json');

/** The witness of a state directory; undefined before `createIdentity`. @throws KeyFormatError, SyntaxError on a damaged file */
export const readIdentity = (directory: string): WitnessIdentity | undefined => {
  if (!existsSync(fileIn(directory))) return undefined;
  const { name, key } = JSON.parse(readFileSync(fileIn(directory), 'utf8')) as KeptIdentity;
  return { name, key: importSigningKey(key) };
};

/** Makes the key of a new witness, readable by its owner alone. Never replaces one. */
export const createIdentity = (directory: string, name: string): WitnessIdentity => {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { privateJwk } = generateSigningKey('witness');
  writeFileSync(fileIn(directory), `${JSON.stringify({ name, key: privateJwk } satisfies KeptIdentity)}\n`, { mode: 0o600, flag: 'wx' });
  return { name, key: importSigningKey(privateJwk) };
};

/** What verifiers pin. */
export const publicText = ({ name, key }: WitnessIdentity): string => writeWitnessKey({ name, publicKey: key.publicKey });
