import { randomBytes } from 'node:crypto';
import { newId, sha256Text } from '@exequatur/kernel';
import type { KeyStore } from '@exequatur/sealing';
import type { Queryable } from '@exequatur/service-kit';

export interface IssuedCredential {
  /** shown once, in the answer */
  readonly secret: string;
  /** all that is kept of it */
  readonly hash: string;
}

/** 256 random bits; the prefix says whose it is, to people and to secret scanners. */
export const issueCredential = (prefix: 'exq_agent_' | 'exq_person_'): IssuedCredential => {
  const secret = `${prefix}${randomBytes(32).toString('base64url')}`;
  return { secret, hash: sha256Text(Buffer.from(secret, 'utf8')) };
};

/**
 * An answer with a credential in it is kept for replays as any other, but sealed: under a key of its own, made here as
 * actions' keys are. @returns the id to keep the answer under
 */
export const sealAnswerUnder = async (keys: KeyStore, tenant: string, tx: Queryable): Promise<string> => {
  const id = newId();
  await keys.createActionKey(tenant, id, tx);
  return id;
};
