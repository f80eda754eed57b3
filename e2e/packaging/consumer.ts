import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { must } from './process.js'
import { bin, type Tarball } from './tarballs.js'

export interface ConsumerSpec {
  readonly name: string
  readonly moduleType: 'module' | 'commonjs'
  readonly dependencies: Readonly<Record<string, string>>
  /** TypeScript files by name, below src/. */
  readonly sources: Readonly<Record<string, string>>
}

/** A project of its own outside the repository: the tarballs installed by npm, its sources compiled by tsc. Returns its folder. */
export async function buildConsumer(parent: string, spec: ConsumerSpec, tarballs: readonly Tarball[]): Promise<string> {
  const folder = join(parent, spec.name)
  mkdirSync(join(folder, 'src'), { recursive: true })
  const ours = Object.fromEntries(tarballs.map(({ name, path }) => [name, `file:${path}`]))
  writeJson(join(folder, 'package.json'), {
    name: spec.name,
    private: true,
    type: spec.moduleType,
    dependencies: { ...ours, ...spec.dependencies },
    overrides: ours,
  })
  // skipLibCheck is off: a host sees the errors in our declarations, so this does too.
  writeJson(join(folder, 'tsconfig.json'), {
    compilerOptions: {
      target: 'ES2022',
      module: 'NodeNext',
      strict: true,
      exactOptionalPropertyTypes: true,
      esModuleInterop: true,
      skipLibCheck: false,
      types: ['node'],
      lib: ['ES2023', 'DOM'],
      rootDir: 'src',
      outDir: 'out',
    },
    include: ['src'],
  })
  for (const [file, text] of Object.entries(spec.sources)) writeFileSync(join(folder, 'src', file), text)
  await must('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'], folder)
  await must(bin('tsc'), ['-p', 'tsconfig.json'], folder)
  return folder
}

const writeJson = (path: string, value: unknown): void => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)

/** A port that was free a moment ago, for a program that takes its port from the environment. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** The status line's code of a WebSocket handshake at `path`, as a browser on the same host would send it. */
export function upgradeStatus(port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const handshake = request({
      port,
      path,
      host: '127.0.0.1',
      headers: {
        host: `localhost:${port}`,
        origin: `http://localhost:${port}`,
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'sec-websocket-protocol': 'v12.stomp',
      },
    })
    handshake.setTimeout(10_000, () => handshake.destroy(new Error(`no answer to the handshake at ${path}`)))
    handshake.once('upgrade', (response, socket) => {
      socket.destroy()
      resolve(response.statusCode ?? 0)
    })
    handshake.once('response', (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    handshake.once('error', reject)
    handshake.end()
  })
}
