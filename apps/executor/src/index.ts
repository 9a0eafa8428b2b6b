export { executorService } from './executor-service.js';
export { ExecutorConfig } from './executor-config.js';
