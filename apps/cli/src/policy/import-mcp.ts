import { isJsonObject, parseStrict } from '@exequatur/kernel';
import type { JsonObject, JsonValue } from '@exequatur/kernel';
import { argumentSchemas } from '@exequatur/policy-languages';
import { CommandFailed, EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { readText } from './read-files.js';

const MAX_BYTES = 4 * 1024 * 1024;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$/;

/** Annotations of MCP (2025-06-18, "ToolAnnotations") and what the policy file calls them. */
const HINTS = { readOnlyHint: 'read_only', destructiveHint: 'destructive', idempotentHint: 'idempotent', openWorldHint: 'open_world' } as const;

/**
 * Entries of a policy's tool table from the answer of an MCP server to `tools/list`. Kinds are in no class, so nothing is allowed
 * by importing; annotations stand as hints, which add risk or nothing. What cannot be taken over is told on standard error.
 */
export const importMcp = (terminal: Terminal, file: string, options: { readonly kinds: string }): number => {
  const tools = toolsIn(file);
  line(terminal, '# From an MCP server: put each kind into a class, and say what its arguments mean (docs/reference/policy-file.md).');
  line(terminal, 'tools:');
  let refused = 0;
  for (const tool of tools) {
    const name = tool['name'];
    if (typeof name !== 'string' || !NAME.test(name) || !NAME.test(`${options.kinds}${name}`)) {
      terminal.err(`${JSON.stringify(name ?? null)} is no name that a policy can have; the tool is left out\n`);
      refused += 1;
      continue;
    }
    // JSON is YAML.
    line(terminal, `  ${name}: ${JSON.stringify({ kind: `${options.kinds}${name}`, ...hintsOf(tool), ...argumentsOf(terminal, name, tool) })}`);
  }
  return refused === 0 ? EXIT.done : EXIT.no;
};

const toolsIn = (file: string): readonly JsonObject[] => {
  let value: JsonValue;
  try {
    value = parseStrict(readText(file, MAX_BYTES), { maxBytes: MAX_BYTES });
  } catch (error) {
    throw new CommandFailed(EXIT.no, `${file}: ${error instanceof Error ? error.message : 'is no JSON'}`);
  }
  const result = isJsonObject(value) && isJsonObject(value['result']) ? value['result'] : value;
  const tools = isJsonObject(result) ? result['tools'] : result;
  if (!Array.isArray(tools) || !tools.every((one) => isJsonObject(one))) throw new CommandFailed(EXIT.no, `${file}: must be what tools/list answers: { "tools": [ … ] }`);
  return tools as readonly JsonObject[];
};

const hintsOf = ({ annotations }: JsonObject): { readonly hints?: JsonObject } => {
  if (!isJsonObject(annotations)) return {};
  const hints = Object.fromEntries(Object.entries(HINTS).flatMap(([theirs, ours]) => (typeof annotations[theirs] === 'boolean' ? [[ours, annotations[theirs]]] : [])));
  return Object.keys(hints).length === 0 ? {} : { hints };
};

const argumentsOf = (terminal: Terminal, name: string, { inputSchema }: JsonObject): { readonly arguments?: JsonObject } => {
  if (!isJsonObject(inputSchema)) return {};
  const { $schema: _dialect, ...schema } = inputSchema;
  const compiled = argumentSchemas.compile(schema);
  if (!('fault' in compiled)) return { arguments: schema };
  terminal.err(`${name}: its schema ${compiled.fault}; its arguments are not checked\n`);
  return {};
};
