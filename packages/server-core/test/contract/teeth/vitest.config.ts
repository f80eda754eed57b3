import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const protocol = fileURLToPath(new URL('../../../../protocol/src/index.ts', import.meta.url))

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  resolve: { alias: [{ find: /^@innerline\/protocol$/, replacement: protocol }] },
  test: { include: ['*.fixture.ts'], testTimeout: 1_000, reporters: ['json'] },
})
