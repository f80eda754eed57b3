// npm run sim:mutants -- <args>: plants the bugs of sim/mutants one by one and counts the seeds that the simulator needs; --help says more.
import { runTypeScript } from './toolchain/foreground.mjs'
import { install, requireNode } from './toolchain/setup.mjs'

requireNode()
await install()
runTypeScript('.', 'sim/mutants/main.ts', process.argv.slice(2))
