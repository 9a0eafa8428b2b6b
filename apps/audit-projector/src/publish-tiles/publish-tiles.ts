import { Inject, Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { Database, LOGGER, RepeatedWork, ServiceConfig } from '@exequatur/service-kit';
import type { Logger } from '@exequatur/service-kit';
import type { AuditConfig } from '../audit-config.js';
import { AUDIT_LIMITS, UNREADABLE_LOG } from '../limits.js';
import { LogReader } from '../log-proofs/log-reader.js';
import { TILE_HEIGHT, TILE_WIDTH, tilePath, tilesBetween } from './tile-paths.js';
import type { Tile } from './tile-paths.js';
import { DirectoryTiles } from './tile-store.js';
import type { TileStore } from './tile-store.js';

/** The directory of a tenant's log; names that a path would read as its own are written otherwise. */
export const tileRoot = (tenant: string): string => encodeURIComponent(tenant).replaceAll('.', '%2E');

/**
 * Static files of every log, behind its tree heads: tiles first, then the checkpoint that needs them. What is there already says
 * where to go on, so there is no other state, and instances may do the same work twice without harm.
 */
@Injectable()
export class PublishTiles implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly publishing: RepeatedWork | undefined;

  constructor(
    private readonly database: Database,
    private readonly heads: LogReader,
    config: ServiceConfig,
    @Inject(LOGGER) log: Logger,
  ) {
    const directory = (config as AuditConfig).EXEQUATUR_TILES_DIR;
    if (directory === '') return;
    const store = new DirectoryTiles(directory);
    this.publishing = new RepeatedWork(AUDIT_LIMITS.tilesEveryMs, () => this.publishAll(store), (fault) => fault === undefined || log.warn({ err: fault }, 'static files of a log could not be written and are tried again'));
  }

  onApplicationBootstrap(): void {
    this.publishing?.startRested();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.publishing?.stop();
  }

  private async publishAll(store: TileStore): Promise<void> {
    const { rows } = await this.database.query<{ tenant: string }>('SELECT tenant FROM log WHERE head_size > 0 AND tenant <> $1 ORDER BY tenant', [UNREADABLE_LOG]);
    for (const { tenant } of rows) await this.publish(store, tenant);
  }

  private async publish(store: TileStore, tenant: string): Promise<void> {
    const head = await this.heads.newestHead(tenant);
    if (head === undefined) return;
    const [root, note] = [tileRoot(tenant), Buffer.from(head.note, 'utf8')];
    const published = await store.read(`${root}/checkpoint`);
    if (published?.equals(note) === true) return;
    const before = Number(published?.toString('utf8').split('\n')[1] ?? 0);
    for (const tile of tilesBetween(before, head.size)) await store.write(`${root}/${tilePath(tile)}`, await this.hashesOf(tenant, tile));
    await store.write(`${root}/checkpoint`, note);
  }

  private async hashesOf(tenant: string, { level, index, width }: Tile): Promise<Buffer> {
    const [from, to] = [index * TILE_WIDTH, index * TILE_WIDTH + width];
    const { rows } =
      level === 0
        ? await this.database.query<{ hash: Buffer }>('SELECT leaf_hash AS hash FROM leaf WHERE tenant = $1 AND sequence >= $2 AND sequence < $3 ORDER BY leaf.sequence', [tenant, from, to])
        : await this.database.query<{ hash: Buffer }>('SELECT hash FROM log_node n WHERE tenant = $1 AND level = $4 AND n.index >= $2 AND n.index < $3 ORDER BY n.index', [tenant, from, to, level * TILE_HEIGHT]);
    if (rows.length !== width) throw new Error(`a tile of level ${level} has ${rows.length} hashes instead of ${width}`);
    return Buffer.concat(rows.map(({ hash }) => hash));
  }
}
