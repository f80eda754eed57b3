import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { buildConsumer, type ConsumerSpec, freePort, upgradeStatus } from './consumer.js'
import { run, type Started, start } from './process.js'
import { readSnippet } from './snippets.js'
import { bin, listFiles, packAll, readFromTarball, root, type Tarball } from './tarballs.js'

const readme = join(root, 'README.md')
const names = ['adapters-kafka', 'adapters-mysql', 'adapters-redis', 'protocol', 'sdk-client', 'server-core']

let scratch: string
let tarballs: readonly Tarball[]
const tarball = (name: string): Tarball => {
  const found = tarballs.find((candidate) => candidate.name === `@innerline/${name}`)
  if (found === undefined) throw new Error(`no tarball of ${name}`)
  return found
}

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'innerline-pack-'))
  tarballs = await packAll(scratch)
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe.each(names)('the tarball of %s', (name) => {
  it('has what it should and nothing else', async () => {
    const files = await listFiles(tarball(name))
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/index.cjs']))
    expect(files).toEqual(expect.arrayContaining(['dist/index.d.ts', 'dist/index.d.cts']))
    expect(
      files.filter((file) => !/^(dist\/|README\.md$|LICENSE$|PROTOCOL\.md$|CHANGELOG\.md$|package\.json$|migrations\/)/.test(file)),
    ).toEqual([])
    expect(files.includes('PROTOCOL.md')).toBe(name === 'protocol' || name === 'sdk-client')
    expect(await readFromTarball(tarball(name), 'package.json')).not.toContain('workspace:')
  })

  it('is accepted by publint', async () => {
    const { code, output } = await run(bin('publint'), ['run', '--strict', tarball(name).path], root)
    expect(code, output).toBe(0)
  })

  it('has types that fit its modules', async () => {
    const { code, output } = await run(
      bin('attw'),
      [tarball(name).path, '--profile', 'node16', '--no-emoji', '--no-definitely-typed'],
      root,
    )
    expect(code, output).toBe(0)
  })
})

it("keeps the SDK's own dependencies out of its public types", async () => {
  for (const file of ['dist/index.d.ts', 'dist/index.d.cts'])
    expect(await readFromTarball(tarball('sdk-client'), file)).not.toMatch(/@stomp\/stompjs|eventemitter3/)
})

it('shows the same code in both languages of the README', () => {
  for (const name of ['server', 'client']) expect(readSnippet(join(root, 'README.zh-CN.md'), name)).toBe(readSnippet(readme, name))
})

const consumers: readonly ConsumerSpec[] = [
  {
    name: 'esm-express-5',
    moduleType: 'module',
    dependencies: { express: '5.3.0', '@types/express': '5.0.4', '@types/node': '20.19.25' },
    // The client snippet awaits at top level, so it is a module of the ESM consumer alone.
    sources: {
      'server.ts': readSnippet(readme, 'server'),
      'client.ts': `const token = 'token-of-alice'\n${readSnippet(readme, 'client')}`,
    },
  },
  {
    name: 'cjs-express-4',
    moduleType: 'commonjs',
    dependencies: { express: '4.22.3', '@types/express': '4.17.25', '@types/node': '20.19.25' },
    sources: {
      'server.ts': readSnippet(readme, 'server'),
      'sdk.ts': `import { createImClient } from '@innerline/sdk-client'\nif (typeof createImClient !== 'function') throw new Error('no SDK')\n`,
    },
  },
]

describe.each(consumers)('a service of its own: $name', (spec) => {
  let server: Started | undefined
  let port: number

  beforeAll(async () => {
    const folder = await buildConsumer(scratch, spec, tarballs)
    port = await freePort()
    server = start(process.execPath, ['out/server.js'], folder, { PORT: String(port) })
    await vi.waitFor(answers, { timeout: 20_000, interval: 50 })
  })
  afterAll(() => server?.child.kill('SIGKILL'))

  const answers = async (): Promise<void> => {
    if (server !== undefined && server.child.exitCode !== null) throw new Error(`the server ended:\n${server.output()}`)
    await fetch(`http://localhost:${port}/`)
  }

  it("answers the README's REST paths, and asks who is there", async () => {
    const answer = await fetch(`http://localhost:${port}/api/im/conversations`)
    expect(answer.status).toBe(401)
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(await answer.json()).toMatchObject({ status: 401, code: 'UNAUTHORIZED' })
    const known = await fetch(`http://localhost:${port}/api/im/conversations`, { headers: { authorization: 'Bearer token-of-alice' } })
    expect(known.status).toBe(200)
  })

  it('opens its WebSockets', async () => {
    expect(await upgradeStatus(port, '/ws/chat')).toBe(101)
    expect(await upgradeStatus(port, '/ws/agent')).toBe(101)
  })

  it('ends by itself on SIGTERM', async () => {
    server?.child.kill('SIGTERM')
    const finished = await server?.finished
    expect(finished?.code, finished?.output).toBe(0)
  })
})
