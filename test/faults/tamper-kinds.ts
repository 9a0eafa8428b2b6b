import { appendAllToFrontier, emptyFrontier, frontierRoot, leafHash, signBatch } from '@exequatur/audit-chain';
import type { SampleLeaf } from '../../apps/audit-verify/src/spec/sample-log.contract.js';
import { exportLines, hashOfLeaf, notesOver, signingKeyOf } from '../../apps/audit-verify/src/spec/sample-log.contract.js';

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
  /** the good log's tree heads at these sizes */
  readonly notes: readonly string[];
  readonly random: () => number;
}

type Tamper = (scene: Scene) => Tampering;

const below = ({ random }: Scene, count: number): number => Math.min(count - 1, Math.floor(random() * count));
/** Leaves are never changed in place here, so that what is known of an unchanged one holds for every log it stands in. */
const replaced = (leaves: readonly SampleLeaf[], index: number, change: (leaf: SampleLeaf) => SampleLeaf): readonly SampleLeaf[] => leaves.with(index, change(leaves[index] as SampleLeaf));
const numbered = (leaves: readonly SampleLeaf[]): readonly SampleLeaf[] => leaves.map((leaf, sequence) => (leaf.sequence === sequence ? leaf : { ...leaf, sequence }));

const swapped = (leaves: readonly SampleLeaf[], at: number): readonly SampleLeaf[] => leaves.toSpliced(at, 2, leaves[at + 1] as SampleLeaf, leaves[at] as SampleLeaf);

const remembered = <T>(compute: (leaf: SampleLeaf) => T): ((leaf: SampleLeaf) => T) => {
  const known = new WeakMap<SampleLeaf, { readonly value: T }>();
  return (leaf) => {
    const found = known.get(leaf) ?? { value: compute(leaf) };
    known.set(leaf, found);
    return found.value;
  };
};
/** A leaf's line. */
export const textOf = remembered((leaf) => JSON.stringify(leaf));
const hashOf = remembered(hashOfLeaf);

/** Only the file was in reach: the tree heads are those of the good log, the end is made anew. */
const withGoodHeads = ({ notes }: Scene, changed: readonly SampleLeaf[]): readonly string[] => exportLines(changed, { notes, textOf });
/** Database and log key in hand: every head is signed anew over what is there now. */
const withNewHeads = ({ sizes }: Scene, changed: readonly SampleLeaf[]): readonly string[] => exportLines(numbered(changed), { notes: notesOver(changed.map(hashOf), [...new Set([...sizes.filter((size) => size < changed.length), changed.length])]), textOf });

const otherByte = (scene: Scene) => (leaf: SampleLeaf): SampleLeaf => {
  const bytes = Buffer.from(leaf.bytes_b64, 'base64');
  const at = below(scene, bytes.length);
  bytes[at] = (bytes[at] as number) ^ (1 << below(scene, 8));
  return { ...leaf, bytes_b64: bytes.toString('base64') };
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
    const leaf = below(scene, scene.leaves.length);
    return { kind: 'flip a bit of an event', lines: withGoodHeads(scene, replaced(scene.leaves, leaf, otherByte(scene))), leaf };
  },
  'flip a bit of an event, log key in hand': (scene) => {
    const leaf = below(scene, scene.leaves.length);
    return { kind: 'flip a bit of an event, log key in hand', lines: withNewHeads(scene, replaced(scene.leaves, leaf, otherByte(scene))), leaf };
  },
  'change what proves its origin': (scene) => {
    const [leaf, field] = [below(scene, scene.leaves.length), TEXTS[below(scene, TEXTS.length)] as (typeof TEXTS)[number]];
    // An event alone in its transaction has a path without hashes, of which every character still counts.
    const changed = replaced(scene.leaves, leaf, (target) => ({ ...target, [field]: otherCharacter(scene, target[field]) }));
    return { kind: `change what proves its origin`, lines: withNewHeads(scene, changed), leaf };
  },
  'change its place among its service’s events': (scene) => {
    const counted = scene.leaves.filter(({ ordinal }) => ordinal !== undefined);
    const { sequence } = counted[below(scene, counted.length)] as SampleLeaf;
    const changed = replaced(scene.leaves, sequence, (target) => ({ ...target, ordinal: (target.ordinal as number) + 1 + below(scene, 3) }));
    return { kind: 'change its place among its service’s events', lines: withNewHeads(scene, changed), leaf: undefined };
  },
  'drop a leaf': (scene) => {
    const leaf = below(scene, scene.leaves.length);
    return { kind: 'drop a leaf', lines: withGoodHeads(scene, scene.leaves.filter(({ sequence }) => sequence !== leaf)), leaf };
  },
  'drop a leaf, log key in hand': (scene) => {
    const leaf = below(scene, scene.leaves.length);
    return { kind: 'drop a leaf, log key in hand', lines: withNewHeads(scene, scene.leaves.filter(({ sequence }) => sequence !== leaf)), leaf };
  },
  'insert a copy': (scene) => {
    const leaf = 1 + below(scene, scene.leaves.length - 1);
    const changed = scene.leaves.toSpliced(leaf, 0, scene.leaves[below(scene, leaf)] as SampleLeaf);
    return { kind: 'insert a copy', lines: withGoodHeads(scene, changed), leaf };
  },
  'insert a forgery by another service’s key': (scene) => {
    const leaf = below(scene, scene.leaves.length);
    const model = scene.leaves[leaf] as SampleLeaf;
    const event = JSON.parse(Buffer.from(model.bytes_b64, 'base64').toString('utf8')) as Record<string, unknown>;
    const owner = String(event['source']).split('/').at(-1);
    const thief = signingKeyOf(owner === 'executor' ? 'audit' : 'executor');
    const bytes = Buffer.from(JSON.stringify({ ...event, id: '01935f2e-7c00-7000-8000-00000000dead' }));
    const [proof] = signBatch([bytes], { tenant: 'acme', service: String(owner), key: thief });
    const changed = scene.leaves.toSpliced(leaf, 0, { ...model, bytes_b64: bytes.toString('base64'), path: proof?.path ?? '', signature: proof?.signature ?? '', key_id: proof?.keyId ?? '' });
    return { kind: 'insert a forgery by another service’s key', lines: withNewHeads(scene, changed), leaf };
  },
  'swap two neighbours': (scene) => {
    const leaf = below(scene, scene.leaves.length - 1);
    const changed = swapped(scene.leaves, leaf);
    return { kind: 'swap two neighbours', lines: withGoodHeads(scene, changed), leaf };
  },
  'swap two neighbours, log key in hand': (scene) => {
    const leaf = below(scene, scene.leaves.length - 1);
    const changed = swapped(scene.leaves, leaf);
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
    const note = scene.notes[below(scene, earlier.length)] as string;
    return { kind: 'replay an old head as the newest', lines: exportLines(scene.leaves, { notes: [note], textOf }), leaf: undefined };
  },
  'fork: one size, two roots': (scene) => {
    const size = scene.leaves.length;
    const [note] = notesOver(swapped(scene.leaves, below(scene, size - 1)).map(hashOf), [size]);
    return { kind: 'fork: one size, two roots', lines: exportLines(scene.leaves, { notes: [note as string, scene.notes.at(-1) as string], textOf }), leaf: undefined };
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
