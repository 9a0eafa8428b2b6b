import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALL_TOPICS } from '@exequatur/contracts';
import pg from 'pg';
import { messagesOnKafka } from '../../libs/messaging/src/spec/messages-on-kafka.js';

/** The database of a standalone as its superuser, past every service. */
export const openDatabaseOf = async (dataDir: string): Promise<pg.Client> => {
  const postgres = join(dataDir, 'postgres');
  const port = Number(readFileSync(join(postgres, 'cluster', 'postmaster.pid'), 'utf8').split('\n')[3]);
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password: readFileSync(join(postgres, 'superuser-password'), 'utf8').trim(), database: 'exequatur' });
  await client.connect();
  return client;
};

const TABLES = `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%' ORDER BY 1`;

/** A text as it stands, and inside base64 at any place of its three. */
const spellingsOf = (text: string): readonly string[] => {
  const inBase64 = [0, 1, 2].map((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), Buffer.from(text)]).toString('base64url');
    return encoded.slice(shift === 0 ? 0 : shift + 1, -3);
  });
  // base64url and base64 differ in two characters only.
  return [text, ...inBase64, ...inBase64.map((each) => each.replaceAll('-', '+').replaceAll('_', '/'))];
};

/** PostgreSQL writes bytes as \\x…; what they say counts too. */
const unfolded = (row: string): string => row.replaceAll(/\\x([0-9a-f]+)/g, (_, hex: string) => Buffer.from(hex, 'hex').toString('latin1'));

/** Tables of every schema in whose rows a text stands, with the topic of a message of the bus. */
export const placesOf = async (database: pg.Client, text: string): Promise<readonly string[]> => {
  const spellings = spellingsOf(text);
  const places = new Set<string>();
  const { rows: tables } = await database.query<{ name: string }>(TABLES);
  for (const { name } of tables) {
    const topic = name === 'bus.message' ? `' ' || t.topic` : `''`;
    const { rows } = await database.query<{ row: string; topic: string }>(`SELECT t::text AS row, ${topic} AS topic FROM ${name} AS t`);
    for (const { row, topic: at } of rows) {
      const said = unfolded(row);
      if (spellings.some((spelling) => said.includes(spelling))) places.add(`${name}${at}`);
    }
  }
  return [...places].sort();
};

/** Topics of Kafka, of all that Exequatur has, in whose messages a text can be read, and how many messages were read in all. */
export const topicsHolding = async (brokers: string, text: string): Promise<{ readonly topics: readonly string[]; readonly messages: number }> => {
  const spellings = spellingsOf(text);
  const messages = await messagesOnKafka(brokers, ALL_TOPICS.map(({ name }) => name));
  const holding = messages.filter(({ said }) => spellings.some((spelling) => said.includes(spelling)));
  return { topics: [...new Set(holding.map(({ topic }) => topic))].sort(), messages: messages.length };
};
