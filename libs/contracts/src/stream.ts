/** Which stream an event belongs to. Its text form is the envelope's `partitionkey` and the message key. */
export interface StreamId {
  readonly tenant: string;
  readonly aggregate: string;
  readonly id: string;
}

export const streamKey = ({ tenant, aggregate, id }: StreamId): string => `${tenant}/${aggregate}/${id}`;
