import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** Makes one plain program of `servers/<name>.ts` and the sources it imports, and returns its path. */
export async function bundle(name: string): Promise<string> {
  // Below the root, where `mysql2` is found.
  const outfile = fileURLToPath(new URL(`../.cache/bench/${name}.mjs`, import.meta.url))
  await build({
    entryPoints: [fileURLToPath(new URL(`servers/${name}.ts`, import.meta.url))],
    ...{ outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', sourcemap: true, logLevel: 'error' },
    external: ['mysql2', 'ws'],
    tsconfig: fileURLToPath(new URL('../tsconfig.json', import.meta.url)),
  })
  return outfile
}
