export * from './client.js';
export * from './errors.js';
export * from './governed.js';
export * from './resume.js';
