import { kafkaPrerequisite } from '@exequatur/local-servers';
import { describeNeeding } from './needing-suite.js';

/**
 * `describe` for suites on a real Kafka. Without Java and Maven one test stands in for the suite and prints what was left out
 * and why; with EXEQUATUR_REQUIRE_KAFKA=1, as in CI, that test fails instead.
 */
export const describeWithKafka = (name: string, body: () => void): void => describeNeeding(kafkaPrerequisite(), 'EXEQUATUR_REQUIRE_KAFKA', name, body);
