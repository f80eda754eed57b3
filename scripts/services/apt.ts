import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { output } from './programs.js'

/** Programs of the packages' install scripts, which unpacking runs none of. */
const NOT_UNPACKED = /^(perl|libperl|dpkg_|tar_|debconf)/
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

export const isDebian = (): boolean => existsSync('/etc/debian_version') && existsSync('/usr/bin/apt-get')
export const mayInstall = (): boolean => isDebian() && process.getuid?.() === 0

/** Installs packages as root. Those asked for here bring programs only: none of them starts a service. */
export async function aptInstall(packages: readonly string[]): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const patient = ['-o', 'DPkg::Lock::Timeout=120', '-qq']
  // One source of many that cannot be reached fails the update; what is known of the others is enough.
  await output('apt-get', [...patient, 'update'], env).catch((error: unknown) => console.error(String(error)))
  await output('apt-get', [...patient, 'install', '--yes', '--no-install-recommends', ...packages], env)
}

/** The system's own Debian mirror, from either form of source list. */
export function parseMirror(text: string): string | undefined {
  const found = /^URIs:\s*(\S+)/m.exec(text) ?? /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/m.exec(text)
  return found?.[1]
}

/** A deb822 source of one suite. */
export const suiteSource = (mirror: string, suite: string): string =>
  `Types: deb\nURIs: ${mirror}\nSuites: ${suite}\nComponents: main\nSigned-By: ${KEYRING}\n`

/** Options that give apt a state of its own: no list, status or cache of the system is read or written. */
export const aptOptions = (state: string): string[] =>
  [
    `Dir::Etc::sourcelist=${state}/suite.sources`,
    'Dir::Etc::sourceparts=/nonexistent',
    `Dir::State::lists=${state}/lists`,
    `Dir::Cache=${state}/cache`,
    `Dir::State::status=${state}/status`,
    'Acquire::Languages=none',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false',
    'APT::Sandbox::User=root',
    'Debug::NoLocking=1',
    'APT::Update::Post-Invoke-Success::=',
  ].flatMap((option) => ['-o', option])

/**
 * Unpacks a package of another Debian suite, with every library it needs down to the C library, into `folder`/root. The system is left
 * as it is, and no root is needed. Rejects when the suite cannot be reached or does not hold together today.
 */
export async function unpackFromSuite(folder: string, suite: string, name: string): Promise<void> {
  const state = join(folder, 'apt')
  for (const part of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(state, part), { recursive: true })
  writeFileSync(join(state, 'status'), '')
  writeFileSync(join(state, 'suite.sources'), suiteSource(systemMirror(), suite))
  const options = aptOptions(state)
  await output('apt-get', [...options, '-qq', 'update'])
  await output('apt-get', [...options, '-qq', '--yes', '--no-install-recommends', '--download-only', 'install', name])
  const archives = join(state, 'cache/archives')
  mkdirSync(join(folder, 'root'), { recursive: true })
  for (const file of readdirSync(archives)) {
    if (!file.endsWith('.deb') || NOT_UNPACKED.test(basename(file))) continue
    await output('dpkg', ['-x', join(archives, file), join(folder, 'root')])
  }
}

function systemMirror(): string {
  for (const file of ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list']) {
    const mirror = existsSync(file) ? parseMirror(readFileSync(file, 'utf8')) : undefined
    if (mirror !== undefined) return mirror
  }
  throw new Error('No Debian mirror is named in /etc/apt.')
}
