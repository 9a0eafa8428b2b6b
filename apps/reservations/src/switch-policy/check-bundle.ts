import { POLICY_BUNDLE_TYPE } from '@exequatur/contracts';
import type { DataOf, PolicyPublished } from '@exequatur/contracts';
import { sha256Text } from '@exequatur/kernel';
import { TokenRefused } from '@exequatur/service-kit';
import type { Signer } from '@exequatur/service-kit';

/** A published policy as it arrives: its text, the hash of that, and policy's signature over hash, version and tenant. */
export type Bundle = Pick<DataOf<typeof PolicyPublished>, 'policy_hash' | 'policy_version' | 'canonical' | 'registered_kinds' | 'bundle'>;

export type BundleFault = 'hash' | 'signature';

/** What is off about a bundle. One without a signature is from before there were any: the event's own, which was verified, vouches for it. */
export const bundleFault = async (tenant: string, { policy_hash: hash, policy_version: version, canonical, bundle }: Bundle, signer: Pick<Signer, 'verifyJws'>): Promise<BundleFault | undefined> => {
  if (sha256Text(Buffer.from(canonical, 'utf8')) !== hash) return 'hash';
  if (bundle === undefined) return undefined;
  try {
    const claims = await signer.verifyJws(bundle, { service: 'policy', typ: POLICY_BUNDLE_TYPE, judgeTime: false });
    return claims['tenant'] === tenant && claims['policy_version'] === version && claims['policy_hash'] === hash ? undefined : 'signature';
  } catch (error) {
    if (error instanceof TokenRefused) return 'signature';
    throw error;
  }
};
