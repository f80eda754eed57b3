import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './run.mjs'

const MINIMUM_NODE = [20, 19]

/** Ends the process with one sentence where Node is too old for what follows. */
export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [needMajor, needMinor] = MINIMUM_NODE
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return
  console.error(`Innerline needs Node ${MINIMUM_NODE.join('.')} or newer; this is Node ${process.versions.node}.`)
  process.exit(1)
}

/** Installs the locked dependencies unless that was already done for this lockfile and these package.json files. */
export async function install() {
  const manifests = members().map((folder) => `${folder}/package.json`)
  const hash = hashOf(['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', ...manifests], process.versions.modules)
  if (existsSync(join(root, 'node_modules/.modules.yaml')) && readStamp('install') === hash) return
  await stage('installing dependencies', 'node', ['scripts/pnpm.mjs', 'install', '--frozen-lockfile'])
  writeStamp('install', hash)
}

/** Builds the packages unless their sources are those of the last build. */
export async function buildPackages() {
  const outputs = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/dist/index.js`)
  const hash = packagesHash()
  if (outputs.every((file) => existsSync(join(root, file))) && readStamp('build') === hash) return
  await stage('building packages', 'node', ['scripts/pnpm.mjs', '-r', '--filter', './packages/**', 'run', 'build'])
  writeStamp('build', hash)
}

/** Builds the demo's web page (which bundles the built SDK) unless nothing it is made of has changed. */
export async function buildDemo() {
  const demo = 'examples/demo'
  const inputs = filesBelow(demo, ['node_modules', 'web-dist', 'test'])
  const hash = hashOf(inputs, packagesHash())
  if (existsSync(join(root, demo, 'web-dist/index.html')) && readStamp('demo') === hash) return
  await stage("building the demo's page", 'node', ['scripts/pnpm.mjs', '--filter', './examples/demo', 'run', 'build'])
  writeStamp('demo', hash)
}

/** Runs a program quietly, with one line before it; on failure shows its output and ends the process. */
async function stage(what, command, args) {
  console.log(`innerline: ${what} …`)
  const { code, output } = await run(command, args, { quiet: true })
  if (code === 0) return
  console.error(output)
  console.error(`innerline: ${what} failed (exit code ${code}); the output is above.`)
  process.exit(code)
}

const packagesHash = () => hashOf([...filesBelow('packages', ['node_modules', 'dist', 'test']), 'tsconfig.base.json', 'PROTOCOL.md'])

const members = () =>
  ['packages', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .map((name) => `${folder}/${name}`)
      .filter((path) => existsSync(join(root, path, 'package.json'))),
  )

function filesBelow(folder, ignored) {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter(({ name }) => !ignored.includes(name))
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(`${folder}/${entry.name}`, ignored) : [`${folder}/${entry.name}`]))
}

function hashOf(files, salt = '') {
  const hash = createHash('sha256').update(salt)
  for (const file of [...files].sort()) {
    const path = join(root, file)
    if (existsSync(path)) hash.update(`\0${file}\0`).update(readFileSync(path))
  }
  return hash.digest('hex')
}

const stampFile = (name) => join(root, '.cache', `${name}.stamp`)
const readStamp = (name) => (existsSync(stampFile(name)) ? readFileSync(stampFile(name), 'utf8') : undefined)

function writeStamp(name, hash) {
  mkdirSync(join(root, '.cache'), { recursive: true })
  writeFileSync(stampFile(name), hash)
}
