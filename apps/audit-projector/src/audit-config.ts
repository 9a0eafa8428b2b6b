import { IsString } from 'class-validator';
import { ServiceConfig } from '@exequatur/service-kit';

/** What audit is told from outside, beyond what every service is. */
export class AuditConfig extends ServiceConfig {
  /** Witnesses that are asked to cosign tree heads, JSON `[{"url": "https://witness.example.org", "key": "<name>+<id>+<key>"}]`; none by default. */
  @IsString()
  EXEQUATUR_WITNESSES: string = '[]';

  /** Directory for the static files of each log (c2sp.org/tlog-tiles: checkpoint and hash tiles); none by default. */
  @IsString()
  EXEQUATUR_TILES_DIR: string = '';
}
