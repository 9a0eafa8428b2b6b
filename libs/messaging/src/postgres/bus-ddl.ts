import { ALL_TOPICS, deadLetterTopic, INTAKE_TOPIC } from '@exequatur/contracts';
import type { ServiceName, Topic } from '@exequatur/contracts';

/** A database role that publishes and consumes: the topics it alone may write, the consumer group it alone may move. */
export interface BusOwner {
  readonly role: string;
  /** The role may use the group of this name, and groups named `<group>.<anything>`. */
  readonly group: string;
  readonly topics: readonly Topic[];
}

/** The owners of every topic in contracts; `roleOf('policy')` is the role that the policy service connects as. */
export const busOwners = (roleOf: (service: ServiceName) => string): readonly BusOwner[] => {
  const services = [...new Set(ALL_TOPICS.map((topic) => topic.owner))];
  return services.map((service) => ({ role: roleOf(service), group: service, topics: ALL_TOPICS.filter((topic) => topic.owner === service) }));
};

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const identifier = (text: string): string => `"${text.replaceAll('"', '""')}"`;

const tables = `
CREATE SCHEMA IF NOT EXISTS bus;

CREATE TABLE IF NOT EXISTS bus.topic (
  name text PRIMARY KEY,
  owner_role text NOT NULL,
  partitions integer NOT NULL CHECK (partitions > 0)
);
CREATE TABLE IF NOT EXISTS bus.consumer_group (
  name text PRIMARY KEY,
  owner_role text NOT NULL
);
-- One row a partition holds the next offset. Publishing updates it, so that offsets have no gap and appear in order.
CREATE TABLE IF NOT EXISTS bus.partition (
  topic text NOT NULL REFERENCES bus.topic (name),
  partition integer NOT NULL,
  next_offset bigint NOT NULL DEFAULT 0 CHECK (next_offset >= 0),
  PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS bus.message (
  topic text NOT NULL,
  partition integer NOT NULL,
  "offset" bigint NOT NULL,
  key text NOT NULL,
  value bytea NOT NULL,
  headers jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (topic, partition, "offset")
);
-- Publishing takes its offsets from the partition's row; to look that row up again for each message cost as much as writing it.
ALTER TABLE bus.message DROP CONSTRAINT IF EXISTS message_topic_partition_fkey;
-- Nor is a message of a kilobyte or two worth compressing.
ALTER TABLE bus.message SET (toast_tuple_target = 4080);
CREATE TABLE IF NOT EXISTS bus.consumer_offset (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  next_offset bigint NOT NULL,
  PRIMARY KEY (consumer_group, topic, partition)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS bus.lease (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  member text NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (consumer_group, topic)
) WITH (fillfactor = 50);

CREATE OR REPLACE FUNCTION bus.owns_group(wanted text) RETURNS boolean STABLE LANGUAGE sql
  AS $$ SELECT EXISTS (SELECT 1 FROM bus.consumer_group WHERE name = split_part(wanted, '.', 1) AND owner_role = current_user) $$;
`;

/** The question names no column of the row, so it is asked once a statement and not once a message. */
const OWN_TOPIC = 'topic IN (SELECT name FROM bus.topic WHERE owner_role = current_user)';

/** Policies are dropped and made again, so that a re-run brings an older schema to the present rules. */
const policy = (table: string, name: string, rule: string): string => `DROP POLICY IF EXISTS ${name} ON bus.${table};\nCREATE POLICY ${name} ON bus.${table} ${rule};\n`;

const rowSecurity = [
  ...['partition', 'message', 'consumer_offset', 'lease'].map((table) => `ALTER TABLE bus.${table} ENABLE ROW LEVEL SECURITY;\n`),
  policy('message', 'read_all', 'FOR SELECT USING (true)'),
  policy('message', 'append_own', `FOR INSERT WITH CHECK (${OWN_TOPIC})`),
  policy('partition', 'read_all', 'FOR SELECT USING (true)'),
  policy('partition', 'move_own', `FOR UPDATE USING (${OWN_TOPIC}) WITH CHECK (${OWN_TOPIC})`),
  policy('consumer_offset', 'read_all', 'FOR SELECT USING (true)'),
  policy('consumer_offset', 'insert_own', 'FOR INSERT WITH CHECK (bus.owns_group(consumer_group))'),
  policy('consumer_offset', 'update_own', 'FOR UPDATE USING (bus.owns_group(consumer_group)) WITH CHECK (bus.owns_group(consumer_group))'),
  policy('lease', 'read_all', 'FOR SELECT USING (true)'),
  policy('lease', 'insert_own', 'FOR INSERT WITH CHECK (bus.owns_group(consumer_group))'),
  policy('lease', 'update_own', 'FOR UPDATE USING (bus.owns_group(consumer_group)) WITH CHECK (bus.owns_group(consumer_group))'),
  policy('lease', 'delete_own', 'FOR DELETE USING (bus.owns_group(consumer_group))'),
  // Of an older schema.
  'DROP FUNCTION IF EXISTS bus.owns_topic(text);\n',
].join('');

const topicRows = ({ role, topics }: BusOwner): string =>
  topics
    .map(
      ({ name, partitions }) =>
        `INSERT INTO bus.topic (name, owner_role, partitions) VALUES (${literal(name)}, ${literal(role)}, ${partitions}) ON CONFLICT (name) DO UPDATE SET owner_role = excluded.owner_role;\n` +
        `INSERT INTO bus.partition (topic, partition) SELECT name, generate_series(0, partitions - 1) FROM bus.topic WHERE name = ${literal(name)} ON CONFLICT DO NOTHING;\n`,
    )
    .join('');

const grants = ({ role, group }: BusOwner): string => `
INSERT INTO bus.consumer_group (name, owner_role) VALUES (${literal(group)}, ${literal(role)}) ON CONFLICT (name) DO UPDATE SET owner_role = excluded.owner_role;
GRANT USAGE ON SCHEMA bus TO ${identifier(role)};
GRANT SELECT ON bus.topic, bus.consumer_group, bus.partition, bus.message, bus.consumer_offset, bus.lease TO ${identifier(role)};
GRANT INSERT ON bus.message, bus.consumer_offset, bus.lease TO ${identifier(role)};
GRANT UPDATE (next_offset) ON bus.partition, bus.consumer_offset TO ${identifier(role)};
GRANT UPDATE (member, expires_at) ON bus.lease TO ${identifier(role)};
GRANT DELETE ON bus.lease TO ${identifier(role)};
`;

/** Policy's group on the intake topic: behind its offset a signed proposal is decided and is needed no more. */
export const INTAKE_GROUP = 'policy.intake';

/**
 * The one thing that changes messages: a proposal that was taken from the intake topic, and dead letters of policy, hold what an
 * agent sent in clear. Those of one key (`<tenant>/<agent>`), or those older than an interval, are emptied; place and offset stay.
 */
const emptying = `
CREATE OR REPLACE FUNCTION bus.empty_taken(wanted_key text, older_than interval) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = bus, pg_temp AS $$
  WITH emptied AS (
    UPDATE bus.message AS m SET value = '', headers = '{}'
    WHERE m.topic IN (${literal(INTAKE_TOPIC.name)}, ${literal(deadLetterTopic('policy').name)}) AND octet_length(m.value) > 0
      AND (wanted_key IS NULL OR m.key = wanted_key) AND m.at <= clock_timestamp() - older_than
      AND (m.topic <> ${literal(INTAKE_TOPIC.name)} OR m."offset" < (SELECT o.next_offset FROM bus.consumer_offset o WHERE o.consumer_group = ${literal(INTAKE_GROUP)} AND o.topic = m.topic AND o.partition = m.partition))
    RETURNING 1)
  SELECT count(*) FROM emptied
$$;
REVOKE ALL ON FUNCTION bus.empty_taken(text, interval) FROM PUBLIC;
`;
const mayEmpty = ({ role, group }: BusOwner): string => (group === 'audit' ? `GRANT EXECUTE ON FUNCTION bus.empty_taken(text, interval) TO ${identifier(role)};\n` : '');

/**
 * Schema `bus` of the PostgreSQL transport, its topics and who may write them. Run by the database's administrator (the
 * roles must exist); safe to run again, which adds what is missing. A topic's number of partitions never changes, since
 * that would re-key its streams. Messages are immutable to every role named here,
 * but for `bus.empty_taken`, which erasure calls as audit.
 *
 * Messages are kept for ever: a group that starts later needs each stream from its first event. They take the place of
 * the topic's retention in Kafka and cost one copy of the event's bytes.
 */
export const busDdl = ({ owners }: { readonly owners: readonly BusOwner[] }): string => [tables, rowSecurity, emptying, ...owners.map((owner) => topicRows(owner) + grants(owner) + mayEmpty(owner))].join('\n');
