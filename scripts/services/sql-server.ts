import { cpSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { userInfo } from 'node:os'
import { cacheFolder, newRunFolder, removeFolder, withLock } from './folders.js'
import { freePort, ServerInstance } from './instance.js'
import { greetingOf } from './sql-greeting.js'
import type { RunningService, StartRequest } from './service.js'

const PORT_ATTEMPTS = 3
export const DATABASE = 'innerline'

/** A mysqld or mariadbd that can be run, and how its first data come to be. */
export interface SqlServer {
  readonly service: string
  /** For people, such as `MariaDB 10.11.19 (/usr/sbin/mariadbd)`. */
  readonly source: string
  /** Names the initialised data in the cache: changes with whatever makes them unusable. */
  readonly dataKey: string
  readonly command: string
  /** What comes before the options of this file. */
  readonly args: readonly string[]
  readonly options: readonly string[]
  /** Initialises an empty data folder. Rejects with the program's own words. */
  initialise(data: string): Promise<void>
  /** Whether this version is the one the service is about. */
  accepts(version: string): boolean
}

/**
 * Durable flags, as production has them: the kill tests and benchmarks are worth nothing without. Small memory, so that several servers
 * and a test run fit beside each other. Relative paths are relative to the data folder, which keeps the socket's path short.
 */
export const sqlOptions = (data: string, port: number): string[] => [
  `--datadir=${data}`,
  '--bind-address=127.0.0.1',
  `--port=${port}`,
  '--socket=s.sock',
  '--pid-file=server.pid',
  '--innodb-flush-log-at-trx-commit=1',
  '--innodb-buffer-pool-size=64M',
  '--innodb-log-buffer-size=1M',
  '--max-connections=300',
  '--performance-schema=OFF',
  '--secure-file-priv=',
  // Whatever a killed client leaves behind is part of the tests; a ban of its address is not.
  '--max-connect-errors=1000000',
]

export const sqlUrl = (port: number): string => `mysql://root@127.0.0.1:${port}/${DATABASE}`

/** `--user` is wanted only of root, who is otherwise refused. */
export const userOption = (): string[] => (process.getuid?.() === 0 ? [`--user=${userInfo().username}`] : [])

/** Starts an instance on a copy of the initialised data, or one that has ended on its own. */
export async function startSqlServer(server: SqlServer, request: StartRequest): Promise<RunningService> {
  const { again } = request
  if (again !== undefined) {
    const instance = instanceOf(server, request, again)
    await instance.start()
    return running(server, instance)
  }
  const template = await initialisedData(server)
  for (let attempt = 1; ; attempt++) {
    const folder = newRunFolder(server.service)
    cpSync(template, join(folder, 'data'), { recursive: true })
    writeFileSync(join(folder, 'init.sql'), `CREATE DATABASE IF NOT EXISTS ${DATABASE} CHARACTER SET utf8mb4;\n`)
    // A server that starts deletes the temporary tables it finds, in a shared folder those of the others too: MariaDB then dies of it.
    mkdirSync(join(folder, 'tmp'))
    const port = await freePort()
    const instance = instanceOf(server, request, { folder, port })
    try {
      await instance.start()
      const version = (await greetingOf(port)) ?? ''
      if (!server.accepts(version)) throw new Error(`${server.service}: ${server.command} turned out to be version ${version}.`)
    } catch (error) {
      const lostPort = /Bind on TCP\/IP port|Address already in use/i.test(instance.log)
      await instance.stop()
      if (attempt >= PORT_ATTEMPTS || !lostPort) throw error
      continue
    }
    return running(server, instance)
  }
}

function instanceOf(server: SqlServer, request: StartRequest, { folder, port }: { folder: string; port: number }): ServerInstance {
  const options = [
    ...sqlOptions(join(folder, 'data'), port),
    `--tmpdir=${join(folder, 'tmp')}`,
    `--init-file=${join(folder, 'init.sql')}`,
    ...server.options,
    ...(request.extraArgs ?? []),
  ]
  return new ServerInstance({
    service: server.service,
    url: sqlUrl(port),
    source: server.source,
    folder,
    port,
    command: server.command,
    args: [...server.args, ...options],
    detached: request.detached,
    isReady: async (at) => (await greetingOf(at)) !== undefined,
  })
}

const running = ({ service, source }: SqlServer, instance: ServerInstance): RunningService => ({
  name: service,
  url: sqlUrl(instance.port),
  source,
  instances: [instance],
  stop: () => instance.stop(),
})

/** Initialising takes seconds, copying a tenth of one: made once per version, whoever comes first. */
async function initialisedData(server: SqlServer): Promise<string> {
  const template = join(cacheFolder, `${server.service}-data-${server.dataKey}`)
  if (existsSync(template)) return template
  return withLock(`${server.service}-data`, async () => {
    if (existsSync(template)) return template
    const part = `${template}.part`
    removeFolder(part)
    mkdirSync(part, { recursive: true })
    await server.initialise(part)
    renameSync(part, template)
    return template
  })
}
