import { readFileSync } from 'node:fs';
import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import type { ServiceConfig } from './service-config.js';

/** The configuration is refused. The message names each variable and what it must be, never the value it had. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly faults: readonly string[]) {
    super(`configuration: ${faults.join('; ')}`);
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

const FILE_SUFFIX = '_FILE';

/** `NAME_FILE` becomes NAME with the file's content, without the line break that editors add. */
const withFiles = (environment: Environment): Record<string, string> => {
  const values: Record<string, string> = {};
  const faults: string[] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || value === '') continue;
    const plain = name.endsWith(FILE_SUFFIX) ? name.slice(0, -FILE_SUFFIX.length) : name;
    if (plain !== name && environment[plain] !== undefined && environment[plain] !== '') {
      faults.push(`${plain} and ${name} are both set`);
      continue;
    }
    if (plain === name) values[name] = value;
    else {
      try {
        values[plain] = readFileSync(value, 'utf8').trim();
      } catch (error) {
        // Variables of other programs may end in _FILE too; a missing value of ours is named by the validation below.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') faults.push(`${name} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'})`);
      }
    }
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return values;
};

/** class-validator repeats the property's name, and some messages its value; only its constraint texts are kept. */
const expectation = (error: ValidationError): string => `${error.property} ${Object.values(error.constraints ?? {}).map((text) => text.replace(`${error.property} `, '')).join(' and ')}`;

/**
 * Reads, checks and freezes a configuration: `loadConfig(ServiceConfig, process.env)`. Variables the class does not name are left out.
 * @throws ConfigError
 */
export const loadConfig = <C extends ServiceConfig>(Config: new () => C, environment: Environment): C => {
  const values = withFiles(environment);
  const config = plainToInstance(Config, values, { exposeDefaultValues: true });
  const errors = validateSync(config, { whitelist: true, skipMissingProperties: false });
  if (errors.length > 0) throw new ConfigError(errors.map(expectation));
  return Object.freeze(config);
};
