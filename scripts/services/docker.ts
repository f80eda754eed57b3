import { mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { run } from '../toolchain/run.mjs'
import { newRunFolder } from './folders.js'
import { freePort, ServerInstance } from './instance.js'
import type { RunningService, StartRequest } from './service.js'
import { greetingOf } from './sql-greeting.js'
import { DATABASE, sqlOptions, sqlUrl } from './sql-server.js'

const INSIDE = '/var/lib/mysql'
const INSIDE_PORT = 3306

export interface SqlImage {
  readonly service: string
  readonly image: string
  /** The image's environment variables begin with it. */
  readonly passwordVariable: 'MARIADB' | 'MYSQL'
}

/** Whether a Docker engine answers; a client alone does not count. */
export async function dockerEngine(): Promise<boolean> {
  const { code } = await run('docker', ['version', '--format', '{{.Server.Version}}'], { quiet: true, timeoutMs: 5_000 })
  return code === 0
}

/** Arguments of `docker` for a server whose data lie in `data` on the host, so that a killed container leaves them behind. */
export function dockerArgs({ image, passwordVariable }: SqlImage, container: string, data: string, port: number): string[] {
  const env = [
    `${passwordVariable}_ALLOW_EMPTY_${passwordVariable === 'MYSQL' ? 'PASSWORD' : 'ROOT_PASSWORD'}=1`,
    `${passwordVariable}_DATABASE=${DATABASE}`,
  ]
  // Inside, the server listens for the container's address; the published port is what keeps others out.
  const options = sqlOptions(INSIDE, INSIDE_PORT).filter(
    (option) => !/^--(bind-address|datadir|port|socket|pid-file|secure-file-priv)=/.test(option),
  )
  return [
    ...['run', '--rm', '--name', container, '--publish', `127.0.0.1:${port}:${INSIDE_PORT}`, '--volume', `${data}:${INSIDE}`],
    ...env.flatMap((each) => ['--env', each]),
    image,
    ...options,
  ]
}

/** Starts an instance in a container that is removed when it ends. */
export async function startInDocker(image: SqlImage, request: StartRequest): Promise<RunningService> {
  const folder = newRunFolder(image.service)
  const data = join(folder, 'data')
  mkdirSync(data)
  const port = await freePort()
  const container = `innerline-${basename(folder)}`
  const source = `${image.image} in Docker`
  const instance = new ServerInstance({
    service: image.service,
    url: sqlUrl(port),
    source,
    folder,
    port,
    command: 'docker',
    args: [...dockerArgs(image, container, data, port), ...(request.extraArgs ?? [])],
    detached: request.detached,
    container,
    isReady: async (at) => (await greetingOf(at)) !== undefined,
  })
  try {
    await instance.start()
  } catch (error) {
    await instance.stop()
    throw error
  }
  return { name: image.service, url: sqlUrl(port), source, instances: [instance], stop: () => instance.stop() }
}
