// The SDK's size budget: its entry bundled for a browser, minified and gzipped, as a host's page would load it.
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { root } from './toolchain/run.mjs'

/** Only ever lowered. */
const BUDGET_BYTES = 16_000

const { outputFiles, metafile } = await build({
  stdin: { contents: `export { createImClient } from '@innerline/sdk-client'`, resolveDir: `${root}examples/demo` },
  absWorkingDir: root,
  bundle: true,
  minify: true,
  write: false,
  metafile: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  // Without the repository's path aliases: what is measured is the built package, as a host gets it.
  tsconfigRaw: '{}',
})
const bytes = gzipSync(outputFiles[0].contents, { level: 9 }).length
console.log(`@innerline/sdk-client: ${bytes} bytes min+gzip of ${BUDGET_BYTES}`)
if (bytes > BUDGET_BYTES) {
  const parts = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs))
  parts.sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)
  for (const [file, { bytesInOutput }] of parts.slice(0, 10)) console.log(`  ${String(bytesInOutput).padStart(7)}  ${file}`)
  console.error('The SDK is over its budget: drop or split something, or argue for a new budget in an ADR.')
  process.exitCode = 1
}
