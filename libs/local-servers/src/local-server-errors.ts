/** Why a local server could not be started. Each message is one sentence for a terminal; print it without a stack. */
export class LocalServerError extends Error {
  override readonly name: string = 'LocalServerError';
}

/** Another running process owns the data directory. */
export class DataDirectoryInUse extends LocalServerError {
  override readonly name = 'DataDirectoryInUse';
  constructor(readonly directory: string, readonly ownerPid: number) {
    super(`The data directory ${directory} is in use by process ${ownerPid}; stop that process or choose another data directory.`);
  }
}

/** The data directory cannot be created or written, or the account that must run the server cannot enter it. */
export class DataDirectoryUnwritable extends LocalServerError {
  override readonly name = 'DataDirectoryUnwritable';
  constructor(readonly directory: string, reason: string) {
    super(`The data directory ${directory} cannot be used (${reason}); choose a directory this user can write.`);
  }
}

/** No PostgreSQL binaries are installed for this operating system and processor. */
export class UnsupportedPlatform extends LocalServerError {
  override readonly name = 'UnsupportedPlatform';
  constructor(readonly platform: string) {
    super(`No PostgreSQL binaries are installed for ${platform}; run npm ci there, or set DATABASE_URL to a PostgreSQL 18 server.`);
  }
}

/** The port that was asked for is taken. */
export class PortTaken extends LocalServerError {
  override readonly name = 'PortTaken';
  constructor(readonly port: number) {
    super(`Port ${port} on 127.0.0.1 is already in use; choose another port.`);
  }
}

/** The server was started and ended, or did not become ready; `detail` holds the last lines of its log. */
export class ServerDidNotStart extends LocalServerError {
  override readonly name = 'ServerDidNotStart';
  constructor(server: string, readonly detail: string) {
    super(`${server} did not start: ${detail.trim().split('\n').slice(-5).join(' | ') || 'it gave no reason'}`);
  }
}

/** Java or Maven is not installed. */
export class KafkaPrerequisiteMissing extends LocalServerError {
  override readonly name = 'KafkaPrerequisiteMissing';
  constructor(readonly missing: string) {
    super(`A local Kafka needs ${missing}; install it, or set KAFKA_BROKERS to a Kafka 4.1 or newer.`);
  }
}
