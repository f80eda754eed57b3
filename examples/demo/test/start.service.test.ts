import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import mysql, { type Connection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DemoProcess } from '../../../e2e/support/demo-process.js'
import { until } from '../../../e2e/support/im-server.js'

const uri = process.env['MARIADB_URL'] ?? ''
/** "Within a few seconds": the driver gives a silent server five, the rest is the process's own start on a busy machine. */
const FEW_SECONDS_MS = 15_000

describe.skipIf(uri === '')('npm start with a MYSQL_URL that cannot be used', () => {
  const id = randomUUID().slice(0, 8)
  const [reader, unfit] = [`reader_${id}`, `empty_${id}`]
  const silent = createServer()
  let operator: Connection

  beforeAll(async () => {
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    operator = await mysql.createConnection(uri)
    await operator.query(`CREATE DATABASE ${unfit}`)
    await operator.query(`CREATE USER '${reader}'@'%' IDENTIFIED BY 'right'`)
    await operator.query(`GRANT SELECT ON ${unfit}.* TO '${reader}'@'%'`)
  })
  afterAll(async () => {
    silent.close()
    await operator?.query(`DROP USER '${reader}'@'%'`)
    await operator?.query(`DROP DATABASE ${unfit}`)
    await operator?.end()
  })

  const changed = (change: (url: URL) => void): string => {
    const url = new URL(uri)
    change(url)
    return url.href
  }
  const as = (password: string) => changed((url) => Object.assign(url, { username: reader, password, pathname: `/${unfit}` }))

  it.each<[string, () => string, RegExp]>([
    ['no server there', () => changed((url) => Object.assign(url, { port: '1' })), /cannot be reached: .*ECONNREFUSED/],
    [
      'an unknown host',
      () => changed((url) => Object.assign(url, { hostname: 'nowhere.invalid' })),
      /cannot be reached: .*nowhere\.invalid/,
    ],
    [
      'a host that does not answer',
      () => changed((url) => Object.assign(url, { port: String((silent.address() as AddressInfo).port) })),
      /cannot be reached: .*ETIMEDOUT/,
    ],
    ['a wrong password', () => as('wrong'), /refuses the account: Access denied/],
    ['an unknown database', () => changed((url) => Object.assign(url, { pathname: `/missing_${id}` })), /no such database: .*create it/],
    ['missing grants', () => as('right'), /may not make the tables: CREATE .*denied.* grant CREATE/],
    [
      'no database',
      () => changed((url) => Object.assign(url, { pathname: '/' })),
      /must look like mysql:\/\/user:password@host:3306\/database/,
    ],
  ])(
    '%s: one sentence, exit code 1',
    async (_, url, sentence) => {
      const demo = new DemoProcess(0, { MYSQL_URL: url() })
      const started = performance.now()
      try {
        expect(await demo.ending(), demo.output).toBe(1)
      } finally {
        await demo.kill9()
      }
      expect(performance.now() - started).toBeLessThan(FEW_SECONDS_MS)
      // A database that can be reached may have a note of its own to be told of.
      const lines = demo.output.split('\n').filter((line) => line !== '' && !line.startsWith('Note: '))
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatch(/MYSQL_URL/)
      expect(lines[0]).toMatch(sentence)
      expect(demo.output, 'no password is printed').not.toMatch(/wrong@|right@/)
    },
    FEW_SECONDS_MS + 5_000,
  )
})

describe('npm start', () => {
  it('leaves no demo behind that keeps the port when its own process is killed', async () => {
    const foreground = new URL('../../../scripts/toolchain/foreground.mjs', import.meta.url).href
    const run = `import(${JSON.stringify(foreground)}).then((m) => m.runTypeScript('examples/demo', 'src/main.ts', []))`
    const TSX_TSCONFIG_PATH = fileURLToPath(new URL('../../../tsconfig.json', import.meta.url))
    const env = { PATH: process.env['PATH'], npm_lifecycle_event: 'start', PORT: '0', TSX_TSCONFIG_PATH }
    const start = spawn(process.execPath, ['-e', run], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    start.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    const address = () => /http:\/\/localhost:\d+/.exec(output)?.[0]
    const answers = (): Promise<boolean> =>
      fetch(`${address()}/healthz`, { signal: AbortSignal.timeout(1_000) }).then(
        ({ ok }) => ok,
        () => false,
      )
    await until('the demo answers', async () => address() !== undefined && (await answers()), 30_000)
    start.kill('SIGKILL')
    await until('the demo has ended', async () => !(await answers()))
  })
})

describe('npm start without a database', () => {
  it('works on memory and says so', async () => {
    const demo = new DemoProcess(0, {})
    try {
      await demo.start()
      expect(demo.output).toMatch(/^Everything is in memory/m)
    } finally {
      await demo.kill9()
    }
  })
})
