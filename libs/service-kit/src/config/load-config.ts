import { readFileSync } from 'node:fs';
import { plainToInstance } from 'class-transformer';
import { getMetadataStorage, validateSync, type ValidationError } from 'class-validator';
import type { ServiceConfig } from './service-config.js';

/** The configuration is refused. The message names each variable and what it must be, never the value it had. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly faults: readonly string[]) {
    super(`configuration: ${faults.join('; ')}`);
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Names of the fields that a class or its parents declare with validators. */
const fieldsOf = (Config: new () => ServiceConfig): readonly string[] => [...new Set(getMetadataStorage().getTargetValidationMetadatas(Config, '', false, false).map(({ propertyName }) => propertyName))];

const given = (environment: Environment, name: string): string | undefined => (environment[name] === '' ? undefined : environment[name]);

/** The values of these fields; `NAME_FILE` gives NAME the file's content, without the line break that editors add. */
const valuesOf = (fields: readonly string[], environment: Environment): Record<string, string> => {
  const faults: string[] = [];
  const values: Record<string, string> = {};
  for (const field of fields) {
    const value = given(environment, field);
    const path = given(environment, `${field}_FILE`);
    if (value !== undefined && path !== undefined) faults.push(`${field} and ${field}_FILE are both set`);
    else if (path !== undefined) values[field] = contentOf(`${field}_FILE`, path, faults);
    else if (value !== undefined) values[field] = value;
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return values;
};

const contentOf = (variable: string, path: string, faults: string[]): string => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    faults.push(`${variable} names a file that cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'})`);
    return '';
  }
};

/** class-validator repeats the property's name, and some messages its value; only its constraint texts are kept. */
const expectation = (error: ValidationError): string => `${error.property} ${Object.values(error.constraints ?? {}).map((text) => text.replace(`${error.property} `, '')).join(' and ')}`;

/**
 * Reads, checks and freezes a configuration: `loadConfig(ServiceConfig, process.env)`. Variables the class does not name are left out.
 * @throws ConfigError
 */
export const loadConfig = <C extends ServiceConfig>(Config: new () => C, environment: Environment): C => {
  const config = plainToInstance(Config, valuesOf(fieldsOf(Config), environment), { exposeDefaultValues: true });
  const errors = validateSync(config, { whitelist: true, skipMissingProperties: false });
  if (errors.length > 0) throw new ConfigError(errors.map(expectation));
  return Object.freeze(config);
};
