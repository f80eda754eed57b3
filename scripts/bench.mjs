// npm run bench -- <args>: the benchmarks in bench/, against the sources.
import { runTypeScript } from './toolchain/foreground.mjs'
import { buildPackages, install, requireNode } from './toolchain/setup.mjs'

requireNode()
await install()
await buildPackages()
runTypeScript('.', 'bench/run.ts', process.argv.slice(2))
