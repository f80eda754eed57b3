// Runs as `prepack` in packages that ship the wire document: the tarball's copy is the repository's, never an older one.
import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './toolchain/run.mjs'

const source = join(root, 'PROTOCOL.md')
if (!existsSync(source)) {
  console.error('PROTOCOL.md is missing from the root of the repository; this package ships a copy of it.')
  process.exit(1)
}
copyFileSync(source, join(process.cwd(), 'PROTOCOL.md'))
