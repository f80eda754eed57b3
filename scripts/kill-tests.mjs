// node scripts/kill-tests.mjs -- the long form of the kill tests on real SQL servers; --help says more.
import { runTypeScript } from './toolchain/foreground.mjs'
import { install, requireNode } from './toolchain/setup.mjs'

requireNode()
await install()
runTypeScript('.', 'packages/adapters-mysql/test/kill/main.ts', process.argv.slice(2))
