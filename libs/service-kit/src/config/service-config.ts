import 'reflect-metadata';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsNotEmpty, IsOptional, IsString, IsUrl, Matches, Max, Min, ValidateIf } from 'class-validator';

/**
 * What a service is told from outside. Each field has the name of its environment variable; every one may be given as
 * `<NAME>_FILE` instead, the path of a file that holds the value (secrets should). Apps extend this class with their own
 * fields, each with class-validator decorators, and read it with `loadConfig`.
 */
export class ServiceConfig {
  /** Which transport carries events. */
  @IsIn(['postgres', 'kafka'])
  EXEQUATUR_TRANSPORT: 'postgres' | 'kafka' = 'postgres';

  /** Connection string of the service's own role. */
  @Matches(/^postgres(ql)?:\/\//, { message: 'must be a postgres:// connection string' })
  DATABASE_URL!: string;

  /** Connections of the pool. */
  @Type(() => Number)
  @IsInt()
  @Min(3)
  @Max(200)
  DATABASE_POOL_SIZE: number = 10;

  /** `host:port,host:port`; needed with EXEQUATUR_TRANSPORT=kafka. */
  @ValidateIf((config: ServiceConfig) => config.EXEQUATUR_TRANSPORT === 'kafka')
  @Matches(/^[^,\s:]+:\d+(,[^,\s:]+:\d+)*$/, { message: 'must be host:port, comma-separated' })
  KAFKA_BROKERS?: string;

  /** SASL/SCRAM user of this service at the brokers; with it, KAFKA_PASSWORD. */
  @IsOptional()
  @IsNotEmpty()
  KAFKA_USERNAME?: string;

  @ValidateIf((config: ServiceConfig) => config.KAFKA_USERNAME !== undefined)
  @IsNotEmpty()
  KAFKA_PASSWORD?: string;

  /** The service's private Ed25519 key, a JWK with `kid`; give the file. */
  @IsNotEmpty()
  @IsString()
  EXEQUATUR_SIGNING_KEY!: string;

  /** The key that EXEQUATUR_SIGNING_KEY replaces, where it does: it signs the rotation and nothing more; give the file. */
  @IsOptional()
  @IsNotEmpty()
  @IsString()
  EXEQUATUR_PREVIOUS_SIGNING_KEY?: string;

  /** Pinned public keys of all services: `{"policy":[{"kid":…,"jwk":{…}}],…}`; give the file. */
  @IsNotEmpty()
  @IsString()
  EXEQUATUR_TRUSTED_KEYS!: string;

  /** Key-encryption key: 32 bytes in base64url; give the file. */
  @Matches(/^[A-Za-z0-9_-]{43}$/, { message: 'must be 32 bytes in base64url' })
  EXEQUATUR_KEK!: string;

  /** SHA-256 of the platform admin token, `sha256:<hex>`; without it nobody is root. */
  @IsOptional()
  @Matches(/^sha256:[0-9a-f]{64}$/, { message: 'must be sha256:<64 hex digits>' })
  EXEQUATUR_ADMIN_TOKEN_HASH?: string;

  /** Identity providers that people and agents come from: a JSON list, see the guide; it may hold secrets, so give the file. */
  @IsOptional()
  @IsNotEmpty()
  EXEQUATUR_IDENTITY_PROVIDERS?: string;

  @IsNotEmpty()
  HOST: string = '127.0.0.1';

  /** 0 lets the system choose. */
  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(65_535)
  PORT: number = 0;

  @IsIn(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
  LOG_LEVEL: string = 'info';

  /** Origin under which agents and people reach the services, for links; no trailing slash. */
  @IsUrl({ require_tld: false, require_protocol: true, protocols: ['http', 'https'] })
  @Matches(/[^/]$/, { message: 'must not end with a slash' })
  PUBLIC_URL: string = 'http://127.0.0.1:8080';

  /** Where the executor finds reservations. */
  @IsUrl({ require_tld: false, require_protocol: true, protocols: ['http', 'https'] })
  RESERVATIONS_URL: string = 'http://127.0.0.1:8080';

  /** Requests per second one principal may make, sustained; twice as many in a burst. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  REQUESTS_PER_SECOND: number = 2_000;

  /** Requests handled at the same time; one more is answered BUSY. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  MAX_CONCURRENT_REQUESTS: number = 1_000;
}
