// npm run sim -- <args>: the deterministic simulator in sim/, against the sources; --help says more.
import { runFile } from './toolchain/foreground.mjs'
import { install, requireNode } from './toolchain/setup.mjs'
import { bundleSimulator } from './sim/bundle.mjs'

requireNode()
await install()
const args = process.argv.slice(2)
// Mapped stacks cost much in a run that makes errors by the thousand, and help where one seed is looked at.
runFile(args.includes('--seed') ? ['--enable-source-maps'] : [], await bundleSimulator(), args)
