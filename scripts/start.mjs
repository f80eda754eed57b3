// npm start: everything from a fresh clone to the running demo. PORT chooses its port.
import { runTypeScript } from './toolchain/foreground.mjs'
import { buildDemo, buildPackages, install, requireNode } from './toolchain/setup.mjs'

requireNode()
await install()
await buildPackages()
await buildDemo()
runTypeScript('examples/demo', 'src/main.ts', process.argv.slice(2))
