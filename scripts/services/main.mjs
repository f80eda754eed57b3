// node scripts/services/main.mjs start|stop|status [service …] [--json]: private servers for work and tests.
import { runTypeScript } from '../toolchain/foreground.mjs'
import { install, requireNode } from '../toolchain/setup.mjs'

requireNode()
await install()
runTypeScript('.', 'scripts/services/cli.ts', process.argv.slice(2))
