// npm run lint: formatting and lint rules (biome), then the direction of imports and the clock rule (scripts/architecture).
import { run } from './toolchain/run.mjs'

const ok = [
  await run('node_modules/.bin/biome', ['check', '--diagnostic-level=error', '.']),
  await run('node_modules/.bin/tsx', ['scripts/architecture/main.ts']),
].every((result) => result.code === 0)
process.exitCode = ok ? 0 : 1
