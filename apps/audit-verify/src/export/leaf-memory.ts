import type { ExportLeaf, ExportLine } from './export-lines.js';
import type { JudgedLeaf } from './judge-leaf.js';

interface RememberedLeaf {
  readonly tenant: string;
  readonly leaf: ExportLeaf;
  readonly judged: JudgedLeaf;
}

/**
 * What the first run over a log read and judged, leaf by leaf, for who verifies many exports of it with one set of keys: later
 * runs judge anew only what they see for the first time, and add nothing. Everything that depends on more than one leaf is
 * always judged anew.
 */
export class LeafMemory {
  private readonly lines = new Map<string, ExportLine>();
  private readonly leaves = new Map<string, RememberedLeaf[]>();
  private filled = false;

  /** The first run is over. */
  close(): void {
    this.filled = true;
  }

  line(text: string): ExportLine | undefined {
    return this.lines.get(text);
  }

  rememberLine(text: string, line: ExportLine): void {
    if (!this.filled && line.kind === 'leaf') this.lines.set(text, line);
  }

  /** How these bytes with this proof were judged. */
  leaf(tenant: string, { bytes_b64: bytes, path, signature, key_id: kid }: ExportLeaf): JudgedLeaf | undefined {
    return this.leaves.get(bytes)?.find((known) => known.tenant === tenant && known.leaf.path === path && known.leaf.signature === signature && known.leaf.key_id === kid)?.judged;
  }

  rememberLeaf(tenant: string, leaf: ExportLeaf, judged: JudgedLeaf): void {
    if (this.filled) return;
    const ofBytes = this.leaves.get(leaf.bytes_b64);
    if (ofBytes === undefined) this.leaves.set(leaf.bytes_b64, [{ tenant, leaf, judged }]);
    else ofBytes.push({ tenant, leaf, judged });
  }
}
