import { existsSync, readdirSync, renameSync } from 'node:fs'
import { arch } from 'node:process'
import { join } from 'node:path'
import { isDebian, unpackFromSuite } from './apt.js'
import { dockerEngine, startInDocker } from './docker.js'
import { cacheFolder, removeFolder, withLock } from './folders.js'
import { findPrograms, output, parseSqlVersion } from './programs.js'
import { ServiceUnavailable, type Service } from './service.js'
import { startSqlServer, userOption, type SqlServer } from './sql-server.js'

const MAJOR = 9
const SUITE = 'sid'
const PACKAGE = 'mysql-server-core'
/** A smaller log makes the log writer stall: initialising then takes half as long again. */
const OPTIONS = ['--innodb-redo-log-capacity=64M', '--skip-log-bin', '--mysqlx=OFF']

/** MySQL 9: an installed one, or Debian sid's server unpacked into a folder with its own libraries. */
export const mysql9: Service = {
  name: 'mysql9',
  variables: ['MYSQL9_URL'],
  requiredInCi: false,
  async start(request) {
    const server = (await findInstalled()) ?? (await unpacked())
    if (server instanceof Error) {
      if (await dockerEngine()) return startInDocker({ service: 'mysql9', image: 'mysql:9', passwordVariable: 'MYSQL' }, request)
      throw new ServiceUnavailable(`There is no MySQL 9: none is named by MYSQL9_URL, none is installed, and ${server.message}`)
    }
    return startSqlServer(server, request)
  },
}

async function findInstalled(): Promise<SqlServer | undefined> {
  for (const program of findPrograms(['mysqld'])) {
    const found = parseSqlVersion(await output(program, ['--version']).catch(() => ''))
    if (found?.kind === 'MySQL' && found.major === MAJOR) return mysqlServer(program, [], [], found.version, program)
  }
  return undefined
}

/** The unpacked server, fetched on first use; an Error says why it cannot be had, which is no failure of the caller's. */
async function unpacked(): Promise<SqlServer | Error> {
  if (!isDebian() || arch !== 'x64') return new Error('this is not a Debian on amd64 that could unpack it. No Docker engine runs either.')
  const folder = join(cacheFolder, 'mysql9')
  try {
    await withLock('mysql9', async () => {
      if (existsSync(folder)) return
      const part = `${folder}.part`
      removeFolder(part)
      console.error(`innerline: fetching ${PACKAGE} of Debian ${SUITE} (about 60 MB) …`)
      await unpackFromSuite(part, SUITE, PACKAGE)
      removeFolder(join(part, 'apt'))
      renameSync(part, folder)
    })
    return await unpackedServer(join(folder, 'root'))
  } catch (error) {
    return new Error(`Debian's could not be used: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function unpackedServer(root: string): Promise<SqlServer> {
  const libraries = join(root, 'usr/lib/x86_64-linux-gnu')
  // The suite's own loader: its C library is newer than the system's.
  const loader = [join(root, 'lib64'), join(root, 'usr/lib64'), libraries, join(root, 'lib/x86_64-linux-gnu')]
    .filter((at) => existsSync(at))
    .flatMap((at) =>
      readdirSync(at)
        .filter((name) => name === 'ld-linux-x86-64.so.2')
        .map((name) => join(at, name)),
    )[0]
  if (loader === undefined) throw new Error('the unpacked packages hold no loader.')
  const program = join(root, 'usr/sbin/mysqld')
  const before = ['--library-path', `${libraries}:${join(root, 'usr/lib/mysql/private')}`, program]
  const found = parseSqlVersion(await output(loader, [...before, '--no-defaults', '--version']))
  if (found?.kind !== 'MySQL' || found.major !== MAJOR) throw new Error(`its version is ${found?.version ?? 'unknown'}, not ${MAJOR}.`)
  const folders = [
    `--basedir=${join(root, 'usr')}`,
    `--lc-messages-dir=${join(root, 'usr/share/mysql')}`,
    `--character-sets-dir=${join(root, 'usr/share/mysql/charsets')}`,
    `--plugin-dir=${join(root, 'usr/lib/mysql/plugin')}`,
  ]
  return mysqlServer(loader, before, folders, found.version, `Debian ${SUITE}, unpacked`)
}

function mysqlServer(command: string, before: readonly string[], folders: readonly string[], version: string, where: string): SqlServer {
  const args = [...before, '--no-defaults', ...userOption(), ...folders]
  return {
    service: 'mysql9',
    source: `MySQL ${version} (${where})`,
    dataKey: version,
    command,
    args,
    options: OPTIONS,
    accepts: (greeting) => greeting.startsWith(`${MAJOR}.`),
    async initialise(data) {
      await output(command, [...args, '--initialize-insecure', `--datadir=${data}`, '--secure-file-priv=', ...OPTIONS])
    },
  }
}
