import { dirname, join } from 'node:path'
import { existsSync } from 'node:fs'
import { aptInstall, mayInstall } from './apt.js'
import { dockerEngine, startInDocker } from './docker.js'
import { withLock } from './folders.js'
import { findPrograms, output, parseSqlVersion } from './programs.js'
import { ServiceUnavailable, type Service } from './service.js'
import { startSqlServer, userOption, type SqlServer } from './sql-server.js'

const PROGRAMS = ['mariadbd', 'mysqld'] as const
const MAJOR = 10
/** The server without the package that makes it a system service. */
const PACKAGE = 'mariadb-server-core'
const LOG_FILE = '--innodb-log-file-size=64M'

/** MariaDB 10.11 or later. */
export const mariadb: Service = {
  name: 'mariadb',
  variables: ['MARIADB_URL', 'MYSQL_URL'],
  requiredInCi: true,
  async start(request) {
    const server = (await findMariadb()) ?? (await installMariadb())
    if (server !== undefined) return startSqlServer(server, request)
    if (await dockerEngine()) return startInDocker({ service: 'mariadb', image: 'mariadb:10.11', passwordVariable: 'MARIADB' }, request)
    throw new ServiceUnavailable(
      'There is no MariaDB: none is named by MARIADB_URL, none is installed, this is not root on a Debian that could install it, and no Docker engine runs.',
    )
  },
}

async function findMariadb(): Promise<SqlServer | undefined> {
  for (const program of findPrograms(PROGRAMS)) {
    const found = parseSqlVersion(await output(program, ['--version']).catch(() => ''))
    const installer = installerBeside(program)
    if (found?.kind !== 'MariaDB' || found.major < MAJOR || installer === undefined) continue
    return {
      service: 'mariadb',
      source: `MariaDB ${found.version} (${program})`,
      dataKey: found.version,
      command: program,
      args: ['--no-defaults', ...userOption()],
      options: [LOG_FILE],
      accepts: (version) => /mariadb/i.test(version),
      async initialise(data) {
        const options = ['--no-defaults', ...userOption(), `--datadir=${data}`, LOG_FILE]
        await output(installer, [...options, '--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve'])
      },
    }
  }
  return undefined
}

/** `mariadb-install-db` belongs to one server: the one in the same tree, whose scripts it reads. */
function installerBeside(program: string): string | undefined {
  const folder = dirname(program)
  const folders = [folder, join(folder, '../bin'), join(folder, '../scripts')]
  return folders.flatMap((at) => ['mariadb-install-db', 'mysql_install_db'].map((name) => join(at, name))).find((file) => existsSync(file))
}

async function installMariadb(): Promise<SqlServer | undefined> {
  if (!mayInstall()) return undefined
  return withLock('apt', async () => {
    const found = await findMariadb()
    if (found !== undefined) return found
    console.error(`innerline: installing ${PACKAGE} …`)
    await aptInstall([PACKAGE]).catch((error: unknown) => console.error(error instanceof Error ? error.message : error))
    return findMariadb()
  })
}
