/**
 * One flat configuration for the whole repository: practical strictness. `npm run typecheck` checks types; the few rules
 * here that need types cost about 10 s of 16 for everything on two loaded cores, and find promises that nobody awaits.
 */
import tseslint from 'typescript-eslint';

/** Pure rooms (style.md "Rooms"): time, chance and environment arrive as arguments. */
const PURE = ['libs/contracts/src/**/*.ts', 'libs/caps/src/**/*.ts', 'libs/*-domain/src/**/*.ts'];

const noAmbient = (name, instead) => ({ name, message: `Pure code is given ${instead}.` });

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '.nx/**', '.cache/**', 'coverage/**'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strict],
    plugins: { '@typescript-eslint': tseslint.plugin },
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports', disallowTypeAnnotations: true }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
      // Nest modules and controllers without fields are classes on purpose.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true, allowEmpty: false }],
      '@typescript-eslint/no-invalid-void-type': 'off',
      eqeqeq: ['error', 'always'],
      'no-console': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['**/*.mjs'],
    rules: { 'no-undef': 'off', 'no-unused-vars': ['error', { argsIgnorePattern: '^_' }], 'prefer-const': 'error', eqeqeq: ['error', 'always'] },
  },
  {
    // Programs of a terminal talk to it; services have a logger.
    files: ['apps/{demo,standalone,audit-verify,cli}/src/**/*.ts', 'test/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: PURE,
    ignores: ['**/*.spec.ts', '**/*.fixture.ts'],
    rules: {
      'no-restricted-globals': ['error', noAmbient('Date', 'instants as text'), noAmbient('process', 'its configuration'), noAmbient('performance', 'its time'), noAmbient('fetch', 'data, not a network'), noAmbient('setTimeout', 'its time'), noAmbient('crypto', 'its ids')],
      'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: 'Pure code is given its ids.' }],
    },
  },
);
