import { defineConfig } from 'vitest/config'

const source = (name: string, entry = 'index') => new URL(`./packages/${name}/src/${entry}.ts`, import.meta.url).pathname

// Tests run against the sources: no build is needed between an edit and a test.
const alias = [
  { find: /^@innerline\/server-core\/contract$/, replacement: source('server-core', 'contract/index') },
  // Not published: the adapters' tests run the use cases' tests.
  {
    find: /^@innerline\/server-core\/use-cases$/,
    replacement: new URL('./packages/server-core/test/use-cases/index.ts', import.meta.url).pathname,
  },
  ...['protocol', 'sdk-client', 'server-core', 'adapters-mysql', 'adapters-redis', 'adapters-kafka'].map((name) => ({
    find: new RegExp(`^@innerline/${name}$`),
    replacement: source(name),
  })),
]

export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: {
          name: 'unit',
          // The tests share no state, so the files of a worker may share its modules: loading them anew took most of the time.
          isolate: false,
          include: ['packages/*/test/**/*.test.ts', 'examples/*/test/**/*.test.ts', 'scripts/**/*.test.ts', 'sim/**/*.test.ts'],
          exclude: ['**/*.service.test.ts', '**/node_modules/**', '**/dist/**'],
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'service',
          include: ['packages/*/test/**/*.service.test.ts', 'examples/*/test/**/*.service.test.ts', 'scripts/**/*.service.test.ts'],
          exclude: ['packages/*/test/kill/**', '**/node_modules/**'],
          globalSetup: ['scripts/services/vitest-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        resolve: { alias },
        test: {
          // A share of what `node scripts/kill-tests.mjs` does at length.
          name: 'kill',
          include: ['packages/*/test/kill/**/*.service.test.ts'],
          globalSetup: ['scripts/services/vitest-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts'],
          exclude: ['e2e/packaging/**', '**/node_modules/**'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'pack',
          include: ['e2e/packaging/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
