import { join } from 'node:path'
import { build } from 'esbuild'
import { root } from '../toolchain/run.mjs'

/** The packages as they stand in the tree: what was built last may be another version, or not be there. */
const sources = Object.fromEntries(
  ['protocol', 'sdk-client', 'server-core'].map((name) => [`@innerline/${name}`, join(root, `packages/${name}/src/index.ts`)]),
)

/**
 * Makes one file of the simulator and everything under test, so that it starts at once and runs on any Node. `plugins` may change sources
 * on their way in, which is how bugs are planted. Resolves with the file's path.
 */
export async function bundleSimulator({ name = 'main', plugins = [] } = {}) {
  const outfile = join(root, '.cache/sim', `${name}.cjs`)
  await build({
    entryPoints: [join(root, 'sim/run/main.ts')],
    absWorkingDir: root,
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    alias: sources,
    sourcemap: 'inline',
    logLevel: 'warning',
    plugins,
  })
  return outfile
}
