import { join } from 'node:path'
import { build } from 'esbuild'
import { root } from '../toolchain/run.mjs'

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
    sourcemap: 'inline',
    logLevel: 'warning',
    plugins,
  })
  return outfile
}
