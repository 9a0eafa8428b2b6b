import { askBroker } from '../../libs/local-servers/src/kafka-wire.js';

const METADATA = 3;

/** Topics and their partitions as a broker itself tells them (Metadata request, version 1), without a Kafka client. */
export const topicsOf = async (port: number): Promise<ReadonlyMap<string, number>> => {
  const everyTopic = Buffer.from([0xff, 0xff, 0xff, 0xff]);
  const answer = await askBroker(port, METADATA, 1, everyTopic, 60_000);
  let at = 0;
  const int16 = (): number => answer.readInt16BE((at += 2) - 2);
  const int32 = (): number => answer.readInt32BE((at += 4) - 4);
  const text = (): string => {
    const length = int16();
    return length < 0 ? '' : answer.subarray(at, (at += length)).toString('utf8');
  };
  const times = (work: () => void): number => {
    const count = int32();
    for (let done = 0; done < count; done += 1) work();
    return count;
  };
  times(() => [int32(), text(), int32(), text()]);
  int32();
  const topics = new Map<string, number>();
  times(() => {
    int16();
    const name = text();
    at += 1;
    topics.set(name, times(() => [int16(), int32(), int32(), times(int32), times(int32)]));
  });
  return topics;
};
