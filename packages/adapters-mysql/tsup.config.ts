import { mkdirSync, writeFileSync } from 'node:fs'
import { defineConfig } from 'tsup'
import { migrations, sqlFileOf } from './src/migrations/index.js'

export default defineConfig({
  entry: ['src/index.ts'],
  format: ['esm', 'cjs'],
  dts: true,
  sourcemap: true,
  clean: true,
  target: 'node20',
  // The statements travel in the code, where no bundler can lose them; the files are for people with a tool of their own.
  async onSuccess() {
    const folder = new URL('./dist/migrations/', import.meta.url)
    mkdirSync(folder, { recursive: true })
    for (const file of migrations.map(sqlFileOf)) writeFileSync(new URL(file.name, folder), file.text)
  },
})
