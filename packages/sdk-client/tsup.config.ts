import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts'],
  format: ['esm', 'cjs'],
  dts: true,
  sourcemap: true,
  clean: true,
  target: 'node20',
  // Each declaration's names stay; what is written shorter here packs better in a host's bundle.
  esbuildOptions(options) {
    options.minifySyntax = true
  },
})
