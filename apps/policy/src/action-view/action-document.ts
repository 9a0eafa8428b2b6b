import { Inject, Injectable } from '@nestjs/common';
import { parseStrict } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { open } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE, ServiceConfig } from '@exequatur/service-kit';
import type { ActionView, SealedPart } from './action-view.js';
import { linksOf } from './links.js';

/** What readers without a claim to the content see: ids, hashes, codes, amounts. */
export const openFields = (view: ActionView, publicUrl: string): Readonly<Record<string, unknown>> => {
  const { sealed: _sealed, why: _why, facts, ...rest } = view;
  return { ...rest, scope_path: facts.scope_path, run_id: facts.run_id, action_kind: facts.action_kind, tool: facts.tool, risk_points: facts.risk_points, amounts: facts.amounts, execution_mode: facts.execution_mode, links: linksOf(publicUrl, view) };
};

@Injectable()
export class ActionDocuments {
  constructor(
    @Inject(KEY_STORE) private readonly keys: KeyStore,
    private readonly config: ServiceConfig,
  ) {}

  /** Without anything sealed: for lists. */
  summary(view: ActionView): Readonly<Record<string, unknown>> {
    const { grant: _grant, ...rest } = openFields(view, this.config.PUBLIC_URL);
    return rest;
  }

  /**
   * For the agent whose action it is, with the sealed parts opened: salt, granted arguments, what the reviewer wrote, the
   * result. After erasure these are simply absent, and `erased` says why.
   */
  async whole(view: ActionView): Promise<Readonly<Record<string, unknown>>> {
    const fields = openFields(view, this.config.PUBLIC_URL);
    const key = await this.keys.actionKey(view.tenant, view.action_id);
    if (key === undefined) return { ...fields, erased: true };
    const read = <T>(part: SealedPart | undefined): T | undefined => (part === undefined ? undefined : (open(key, part.sealed, part.event_id) as T));
    const proposal = read<{ salt: string; arguments: string; target?: string }>(view.sealed.proposal);
    const granted = read<{ arguments: string }>(view.sealed.granted) ?? (view.grant === undefined ? undefined : proposal);
    const rejection = read<{ reason: string }>(view.sealed.rejection);
    const answer = read<{ response: string }>(view.sealed.response);
    const outcome = read<{ result: string }>(view.sealed.result);
    return {
      ...fields,
      ...(proposal === undefined ? {} : { salt: proposal.salt, ...(proposal.target === undefined ? {} : { target: proposal.target }) }),
      ...(granted === undefined ? {} : { granted_arguments: parseStrict(granted.arguments, { maxBytes: MAX_ARGUMENT_BYTES }) as JsonValue }),
      ...(view.rejection === undefined ? {} : { rejection: { ...view.rejection, reason: rejection?.reason ?? '' } }),
      ...(answer === undefined ? {} : { response: answer.response }),
      ...(outcome === undefined ? {} : { result: outcome.result }),
    };
  }
}

/** Canonical text of what was accepted as 256 KiB: at most 262,144 characters of up to 3 bytes. */
const MAX_ARGUMENT_BYTES = 3 * 262_144;
