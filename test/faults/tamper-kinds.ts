import { appendAllToFrontier, emptyFrontier, frontierRoot, leafHash, signBatch } from '@exequatur/audit-chain';
import type { SampleLeaf } from '../../apps/audit-verify/src/spec/sample-log.contract.js';
import { exportLines, noteOver, signingKeyOf } from '../../apps/audit-verify/src/spec/sample-log.contract.js';

/** What somebody did to a log, or to its export, and where. */
export interface Tampering {
  readonly kind: string;
  readonly lines: readonly string[];
  /** the first leaf that is not what was logged; undefined where no leaf was touched */
  readonly leaf: number | undefined;
}

/** The good log and a source of chance from 0 to 1. */
export interface Scene {
  readonly leaves: readonly SampleLeaf[];
  /** sizes of the tree heads that the log has published */
  readonly sizes: readonly number[];
  readonly random: () => number;
}

type Tamper = (scene: Scene) => Tampering;

const below = ({ random }: Scene, count: number): number => Math.min(count - 1, Math.floor(random() * count));
const copied = ({ leaves }: Scene): SampleLeaf[] => leaves.map((leaf) => ({ ...leaf }));
const numbered = (leaves: readonly SampleLeaf[]): SampleLeaf[] => leaves.map((leaf, sequence) => ({ ...leaf, sequence }));

/** Only the file was in reach: the tree heads are those of the good log, the end is made anew. */
const withGoodHeads = ({ leaves, sizes }: Scene, changed: readonly SampleLeaf[]): readonly string[] => exportLines(changed, { notes: sizes.map((size) => noteOver(leaves, size)) });
/** Database and log key in hand: every head is signed anew over what is there now. */
const withNewHeads = ({ sizes }: Scene, changed: readonly SampleLeaf[]): readonly string[] => exportLines(numbered(changed), { sizes: [...new Set([...sizes.filter((size) => size < changed.length), changed.length])] });

const otherByte = (scene: Scene, leaf: SampleLeaf): void => {
  const bytes = Buffer.from(leaf.bytes_b64, 'base64');
  const at = below(scene, bytes.length);
  bytes[at] = (bytes[at] as number) ^ (1 << below(scene, 8));
  leaf.bytes_b64 = bytes.toString('base64');
};

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const otherCharacter = (scene: Scene, text: string): string => {
  const at = below(scene, text.length);
  const others = [...ALPHABET].filter((each) => each !== text[at]);
  return `${text.slice(0, at)}${others[below(scene, others.length)]}${text.slice(at + 1)}`;
};

/** Any two leaves have different bytes, so a permutation is always a change. */
const TEXTS = ['path', 'signature', 'key_id', 'topic'] as const;

export const TAMPERINGS: Readonly<Record<string, Tamper>> = {
  'flip a bit of an event': (scene) => {
    const [changed, leaf] = [copied(scene), below(scene, scene.leaves.length)];
    otherByte(scene, changed[leaf] as SampleLeaf);
    return { kind: 'flip a bit of an event', lines: withGoodHeads(scene, changed), leaf };
  },
  'flip a bit of an event, log key in hand': (scene) => {
    const [changed, leaf] = [copied(scene), below(scene, scene.leaves.length)];
    otherByte(scene, changed[leaf] as SampleLeaf);
    return { kind: 'flip a bit of an event, log key in hand', lines: withNewHeads(scene, changed), leaf };
  },
  'change what proves its origin': (scene) => {
    const [changed, leaf, field] = [copied(scene), below(scene, scene.leaves.length), TEXTS[below(scene, TEXTS.length)] as (typeof TEXTS)[number]];
    const target = changed[leaf] as SampleLeaf;
    // An event alone in its transaction has a path without hashes, of which every character still counts.
    target[field] = otherCharacter(scene, target[field]);
    return { kind: `change what proves its origin`, lines: withNewHeads(scene, changed), leaf };
  },
  'change its place among its service’s events': (scene) => {
    const changed = copied(scene);
    const counted = changed.filter(({ ordinal }) => ordinal !== undefined);
    const target = counted[below(scene, counted.length)] as SampleLeaf;
    target.ordinal = (target.ordinal as number) + 1 + below(scene, 3);
    return { kind: 'change its place among its service’s events', lines: withNewHeads(scene, changed), leaf: undefined };
  },
  'drop a leaf': (scene) => {
    const leaf = below(scene, scene.leaves.length);
    return { kind: 'drop a leaf', lines: withGoodHeads(scene, copied(scene).filter(({ sequence }) => sequence !== leaf)), leaf };
  },
  'drop a leaf, log key in hand': (scene) => {
    const leaf = below(scene, scene.leaves.length);
    return { kind: 'drop a leaf, log key in hand', lines: withNewHeads(scene, copied(scene).filter(({ sequence }) => sequence !== leaf)), leaf };
  },
  'insert a copy': (scene) => {
    const [changed, leaf] = [copied(scene), 1 + below(scene, scene.leaves.length - 1)];
    changed.splice(leaf, 0, { ...(scene.leaves[below(scene, leaf)] as SampleLeaf) });
    return { kind: 'insert a copy', lines: withGoodHeads(scene, changed), leaf };
  },
  'insert a forgery by another service’s key': (scene) => {
    const [changed, leaf] = [copied(scene), below(scene, scene.leaves.length)];
    const model = scene.leaves[leaf] as SampleLeaf;
    const event = JSON.parse(Buffer.from(model.bytes_b64, 'base64').toString('utf8')) as Record<string, unknown>;
    const owner = String(event['source']).split('/').at(-1);
    const thief = signingKeyOf(owner === 'executor' ? 'audit' : 'executor');
    const bytes = Buffer.from(JSON.stringify({ ...event, id: '01935f2e-7c00-7000-8000-00000000dead' }));
    const [proof] = signBatch([bytes], { tenant: 'acme', service: String(owner), key: thief });
    changed.splice(leaf, 0, { ...model, bytes_b64: bytes.toString('base64'), path: proof?.path ?? '', signature: proof?.signature ?? '', key_id: proof?.keyId ?? '' });
    return { kind: 'insert a forgery by another service’s key', lines: withNewHeads(scene, changed), leaf };
  },
  'swap two neighbours': (scene) => {
    const [changed, leaf] = [copied(scene), below(scene, scene.leaves.length - 1)];
    [changed[leaf], changed[leaf + 1]] = [changed[leaf + 1] as SampleLeaf, changed[leaf] as SampleLeaf];
    return { kind: 'swap two neighbours', lines: withGoodHeads(scene, changed), leaf };
  },
  'swap two neighbours, log key in hand': (scene) => {
    const [changed, leaf] = [copied(scene), below(scene, scene.leaves.length - 1)];
    [changed[leaf], changed[leaf + 1]] = [changed[leaf + 1] as SampleLeaf, changed[leaf] as SampleLeaf];
    return { kind: 'swap two neighbours, log key in hand', lines: withNewHeads(scene, changed), leaf };
  },
  'cut off the end of the file': (scene) => {
    const lines = withGoodHeads(scene, scene.leaves);
    const kept = 1 + below(scene, scene.leaves.length);
    return { kind: 'cut off the end of the file', lines: lines.slice(0, kept), leaf: kept - 1 };
  },
  'cut off the tail, log key in hand': (scene) => {
    const leaf = scene.leaves.length - 1 - below(scene, Math.floor(scene.leaves.length / 2));
    return { kind: 'cut off the tail, log key in hand', lines: withNewHeads(scene, scene.leaves.slice(0, leaf)), leaf };
  },
  'replay an old head as the newest': (scene) => {
    const earlier = scene.sizes.slice(0, -1);
    const size = earlier[below(scene, earlier.length)] as number;
    return { kind: 'replay an old head as the newest', lines: exportLines(scene.leaves, { notes: [noteOver(scene.leaves, size)] }), leaf: undefined };
  },
  'fork: one size, two roots': (scene) => {
    const other = copied(scene);
    const leaf = below(scene, scene.leaves.length - 1);
    [other[leaf], other[leaf + 1]] = [other[leaf + 1] as SampleLeaf, other[leaf] as SampleLeaf];
    const size = scene.leaves.length;
    return { kind: 'fork: one size, two roots', lines: exportLines(scene.leaves, { notes: [noteOver(other, size), noteOver(scene.leaves, size)] }), leaf: undefined };
  },
  'change a character of the frame': (scene) => {
    const lines = [...withGoodHeads(scene, scene.leaves)];
    const frame = [0, ...Array.from({ length: scene.sizes.length + 1 }, (_, back) => lines.length - 1 - back)];
    const index = frame[below(scene, frame.length)] as number;
    lines[index] = otherCharacter(scene, lines[index] as string);
    return { kind: 'change a character of the frame', lines, leaf: undefined };
  },
  'forge a tail, database and log key in hand': (scene) => {
    const model = scene.leaves[below(scene, scene.leaves.length)] as SampleLeaf;
    const event = JSON.parse(Buffer.from(model.bytes_b64, 'base64').toString('utf8')) as Record<string, unknown>;
    const bytes = Buffer.from(JSON.stringify({ ...event, id: '01935f2e-7c00-7000-8000-00000000beef', sequence: '0000000999' }));
    return { kind: 'forge a tail, database and log key in hand', lines: withNewHeads(scene, [...scene.leaves, { ...model, bytes_b64: bytes.toString('base64') }]), leaf: scene.leaves.length };
  },
};

/** The root of a list of leaves: what a witness remembers of them. */
export const rootOf = (leaves: readonly SampleLeaf[]): string => frontierRoot(appendAllToFrontier(emptyFrontier, leaves.map(({ bytes_b64: bytes }) => leafHash(Buffer.from(bytes, 'base64'))))).toString('hex');
