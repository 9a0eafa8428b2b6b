/** Where to go from an action. `approval` is the page on which a person decides. */
export const linksOf = (publicUrl: string, { action_id, approval_id }: { readonly action_id: string; readonly approval_id?: string }): Readonly<Record<string, string>> => {
  const self = `${publicUrl}/v1/actions/${action_id}`;
  return {
    self,
    verdicts: `${self}/verdicts`,
    wait: `${self}/wait?timeout=30s`,
    withdraw: `${self}/withdraw`,
    ...(approval_id === undefined ? {} : { approval: `${publicUrl}/approvals/${approval_id}` }),
  };
};
