import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

const DIRECTORY = join(resolve(process.env['EXEQUATUR_VECTORS'] ?? '../shared/vectors'), 'cycles-protocol');
/** They are not part of this repository. */
export const CYCLES_IS_HERE = existsSync(DIRECTORY);

interface Operation {
  readonly requestBody?: unknown;
  readonly responses: Readonly<Record<string, { readonly $ref?: string; readonly content?: Readonly<Record<string, { readonly schema: unknown }>> }>>;
}
interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** One pair of impl/test-vectors.yaml, as far as a decision table reads it. */
export interface CyclesVector {
  readonly id: string;
  readonly policy_context?: Readonly<Record<string, unknown>>;
  readonly counter_state?: Readonly<Record<string, unknown>>;
  readonly request: { readonly method: 'POST'; readonly path: string; readonly body: Readonly<Record<string, unknown>> };
  readonly response: { readonly status: number; readonly body: Readonly<Record<string, unknown>> };
}

const pointer = (text: string): string => text.replaceAll('~', '~0').replaceAll('/', '~1');

/** The published OpenAPI of the Cycles protocol: judges what we answer, and what we are asked. */
export class CyclesProtocol {
  private readonly document = parse(readFileSync(join(DIRECTORY, 'merged', 'cycles-openapi-protocol-merged.yaml'), 'utf8')) as OpenApi;
  private readonly ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });

  constructor() {
    this.ajv.addSchema(this.document, 'cycles');
  }

  static vectors(): readonly CyclesVector[] {
    return (parse(readFileSync(join(DIRECTORY, 'impl', 'test-vectors.yaml'), 'utf8')) as { test_vectors: CyclesVector[] }).test_vectors;
  }

  /** Why an answer is not one that the operation declares; [] when it is. `path` as in the document. */
  faultsOfAnswer(method: string, path: string, status: number, body: unknown): readonly string[] {
    const declared = this.document.paths[path]?.[method.toLowerCase()]?.responses[String(status)];
    if (declared === undefined) return [`${method} ${path} declares no ${status}`];
    if (declared.$ref !== undefined || status >= 400) return this.faults('cycles#/components/schemas/ErrorResponse', body);
    return this.faults(`cycles#/paths/${pointer(path)}/${method.toLowerCase()}/responses/${status}/content/application~1json/schema`, body);
  }

  faultsOfRequest(method: string, path: string, body: unknown): readonly string[] {
    return this.faults(`cycles#/paths/${pointer(path)}/${method.toLowerCase()}/requestBody/content/application~1json/schema`, body);
  }

  private faults(ref: string, value: unknown): readonly string[] {
    const validate = this.ajv.compile({ $ref: ref });
    return validate(value) ? [] : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message ?? ''}`);
  }
}
