import type { ServiceConfig } from '../config/service-config.js';
import type { RunningService, ServiceDefinition } from './service-definition.js';

export declare const createService: (definition: ServiceDefinition, config: ServiceConfig) => Promise<RunningService>;
