import { Inject, Injectable } from '@nestjs/common';
import { sealedProposal } from '@exequatur/contracts';
import { saltedHash } from '@exequatur/kernel';
import { CannotOpen, open } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE, shaped } from '@exequatur/service-kit';
import type { Lease } from './execution-leases.js';

/** The bytes that were granted, canonical JSON: hashed, and sent as they are. */
export interface GrantedContent {
  readonly salt: Buffer;
  readonly bytes: Buffer;
}

export type ContentFault = 'CONTENT_ERASED' | 'ARGUMENTS_MISMATCH';

/** Opens what a grant's event sealed. */
@Injectable()
export class GrantedContents {
  constructor(@Inject(KEY_STORE) private readonly keys: KeyStore) {}

  /** A fault is final: the action was erased, or the sealed arguments are not those the grant's hash names. */
  async open({ tenant, actionId, content, contentEventId, claims }: Lease): Promise<GrantedContent | ContentFault> {
    const key = await this.keys.actionKey(tenant, actionId);
    if (key === undefined) return 'CONTENT_ERASED';
    if (content.action_id !== actionId) return 'ARGUMENTS_MISMATCH';
    try {
      const proposal = shaped(sealedProposal, open(key, content, contentEventId));
      const opened = { salt: Buffer.from(proposal.salt, 'base64url'), bytes: Buffer.from(proposal.arguments, 'utf8') };
      return saltedHash(opened.salt, opened.bytes) === claims.granted_arguments_hash ? opened : 'ARGUMENTS_MISMATCH';
    } catch (error) {
      if (error instanceof CannotOpen || error instanceof RangeError) return 'ARGUMENTS_MISMATCH';
      throw error;
    }
  }
}
