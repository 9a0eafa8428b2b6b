/**
 * One Jest configuration for the whole repository. Workspace packages are mapped to their sources, so tests need no build.
 * Names choose suites: *.spec.ts is pure, *.int.spec.ts starts real servers, test/ holds the suites that cross services.
 */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest'] },
  moduleNameMapper: {
    '^@exequatur/([^/]+)$': ['<rootDir>/libs/$1/src/index.ts', '<rootDir>/apps/$1/src/index.ts'],
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  testMatch: ['<rootDir>/{apps,libs}/*/src/**/*.spec.ts', '<rootDir>/test/**/*.spec.ts'],
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/'],
  // A test that ends late on a loaded machine is no fault; one that hangs ends all the same.
  testTimeout: process.env.EXEQUATUR_PATIENCE_MS === undefined ? 180_000 : 60_000,
  maxWorkers: 2,
};
