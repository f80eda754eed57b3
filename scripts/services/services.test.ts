import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { aptOptions, parseMirror, suiteSource } from './apt.js'
import { dockerArgs } from './docker.js'
import { newRunFolder, readRecords, withLock, writeRecord } from './folders.js'
import { commandLine, endRecorded, freePort, ServerInstance } from './instance.js'
import { poll } from './poll.js'
import { findPrograms, parseSqlVersion } from './programs.js'
import { endOrphans, provideServices, serviceNamed } from './provide.js'
import { ServiceUnavailable, urlFromEnvironment, type RunningService, type Service } from './service.js'
import { parseGreeting } from './sql-greeting.js'
import { sqlOptions, sqlUrl } from './sql-server.js'

describe('what programs and servers say of themselves', () => {
  it.each([
    ['mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)', 'MariaDB', '10.11.19', 10],
    ['/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))', 'MySQL', '9.7.4', 9],
    ['mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)', 'MySQL', '8.0.36', 8],
  ] as const)('%s', (text, kind, version, major) => {
    expect(parseSqlVersion(text)).toEqual({ kind, version, major })
  })

  it('takes nothing else for a version', () => {
    expect(parseSqlVersion('mysqld: command not found')).toBeUndefined()
    expect(parseSqlVersion('Server 10.11.19')).toBeUndefined()
  })

  const greeting = (version: string, protocol = 10) =>
    Buffer.from(`\x4a\0\0\0${String.fromCharCode(protocol)}${version}\0\x08\0\0\0salt`, 'latin1')

  it('reads the version out of a greeting, whatever MariaDB puts before it', () => {
    expect(parseGreeting(greeting('9.7.4-2'))).toBe('9.7.4-2')
    expect(parseGreeting(greeting('5.5.5-10.11.19-MariaDB-0+deb12u1'))).toBe('10.11.19-MariaDB-0+deb12u1')
  })

  it('takes an error packet, another protocol and a cut packet for a server that is not ready', () => {
    expect(parseGreeting(greeting('#08004Too many connections', 255))).toBeUndefined()
    expect(parseGreeting(greeting('3.23', 9))).toBeUndefined()
    expect(parseGreeting(greeting('9.7.4-2').subarray(0, 8))).toBeUndefined()
    expect(parseGreeting(Buffer.alloc(0))).toBeUndefined()
  })
})

describe("apt with a state of its own, and the system's mirror", () => {
  it('finds the mirror in either form of list', () => {
    expect(parseMirror('Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n')).toBe('http://mirror.example/debian')
    expect(parseMirror('# old\ndeb [arch=amd64 signed-by=/k] http://old.example/debian bookworm main\n')).toBe('http://old.example/debian')
    expect(parseMirror('deb http://plain.example/debian bookworm main')).toBe('http://plain.example/debian')
    expect(parseMirror('# nothing')).toBeUndefined()
  })

  it('names the suite and leaves every path of the system out', () => {
    expect(suiteSource('http://m', 'sid')).toMatch(/^URIs: http:\/\/m\nSuites: sid$/m)
    const values = aptOptions('/state').filter((word) => /^Dir/.test(word))
    expect(values.length).toBeGreaterThan(3)
    for (const value of values) expect(value).toMatch(/=\/state\/|=\/state$|=\/nonexistent$/)
  })
})

describe('command lines', () => {
  it('runs with a durable log on a local port only', () => {
    const options = sqlOptions('/data', 4711)
    expect(options).toEqual(
      expect.arrayContaining(['--innodb-flush-log-at-trx-commit=1', '--bind-address=127.0.0.1', '--port=4711', '--datadir=/data']),
    )
    expect(sqlUrl(4711)).toBe('mysql://root@127.0.0.1:4711/innerline')
  })

  it('keeps the paths of the host out of a container, and its data on the host', () => {
    const args = dockerArgs({ service: 'mysql9', image: 'mysql:9', passwordVariable: 'MYSQL' }, 'c1', '/host/data', 4711)
    expect(args).toEqual(
      expect.arrayContaining(['--name', 'c1', '127.0.0.1:4711:3306', '/host/data:/var/lib/mysql', 'MYSQL_ALLOW_EMPTY_PASSWORD=1']),
    )
    const server = args.slice(args.indexOf('mysql:9') + 1)
    expect(server).toContain('--innodb-flush-log-at-trx-commit=1')
    expect(server.filter((option) => /datadir|bind-address|port/.test(option))).toEqual([])
  })

  it('finds programs in the order of the path', () => {
    const folder = mkdtempSync(join(tmpdir(), 'programs-'))
    writeFileSync(join(folder, 'mysqld'), '')
    expect(findPrograms(['mariadbd', 'mysqld'], `/nowhere:${folder}`)[0]).toBe(join(folder, 'mysqld'))
    rmSync(folder, { recursive: true })
  })
})

describe('processes', () => {
  const sleeper = (folder: string) => spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e9)', folder], { stdio: 'ignore' })
  const exit = (child: ReturnType<typeof sleeper>) => new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))
  const record = { service: 'test', url: '', source: '', port: 0 }

  async function deadPid(): Promise<number> {
    const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' })
    await exit(child)
    return child.pid as number
  }

  it('ends what a crashed run left behind and removes its data', async () => {
    const folder = newRunFolder('test')
    const child = sleeper(folder)
    const ended = exit(child)
    writeRecord(folder, { ...record, pid: child.pid, ownerPid: await deadPid() })
    await endOrphans()
    expect(await ended).toBe('SIGKILL')
    expect(existsSync(folder)).toBe(false)
  })

  it('leaves alone what has a living owner, and what a person started', async () => {
    const folders = [newRunFolder('test'), newRunFolder('test')] as const
    writeRecord(folders[0], { ...record, pid: await deadPid(), ownerPid: process.pid })
    writeRecord(folders[1], { ...record, pid: await deadPid() })
    await endOrphans()
    expect(readRecords().filter(({ folder }) => (folders as readonly string[]).includes(folder))).toHaveLength(2)
    for (const folder of folders) rmSync(folder, { recursive: true })
  })

  it('never ends a process that took over the id', async () => {
    const folder = newRunFolder('test')
    const bystander = sleeper('another folder')
    await endRecorded(folder, { ...record, pid: bystander.pid })
    expect(commandLine(bystander.pid as number)).toContain('another folder')
    const ended = exit(bystander)
    bystander.kill('SIGTERM')
    expect(await ended).toBe('SIGTERM')
  })

  const server = (folder: string, port: number, script: string) =>
    new ServerInstance({
      ...{ service: 'test', url: '', source: '', folder, port, command: process.execPath, args: ['-e', script, folder], detached: false },
      isReady: async () => existsSync(join(folder, 'ready')),
    })

  it('kills, restarts on the same port and folder, and stops', async () => {
    const instance = server(newRunFolder('test'), await freePort(), `require('fs').writeFileSync('ready', ''); setInterval(() => {}, 1e9)`)
    await instance.start()
    const first = instance.pid
    await instance.kill9()
    expect(commandLine(first)).toBe('')
    await instance.restart()
    expect(instance.pid).not.toBe(first)
    await instance.stop()
    expect(existsSync(instance.folder)).toBe(false)
  })

  it('says how its log ends when it ends before it is ready', async () => {
    const instance = server(newRunFolder('test'), await freePort(), `console.error('no such option')`)
    await expect(instance.start()).rejects.toThrow(/ended before it was ready[\s\S]*no such option/)
    await instance.stop()
  })

  it('lets one work at a time, and takes over the lock of the dead', async () => {
    const name = `test-${basename(mkdtempSync(join(tmpdir(), 'lock-')))}`
    let inside = 0
    const most: number[] = []
    const work = () =>
      withLock(name, async () => {
        most.push(++inside)
        await new Promise((resolve) => setImmediate(resolve))
        inside--
      })
    await Promise.all([work(), work(), work()])
    expect(most).toEqual([1, 1, 1])
    writeFileSync(join(import.meta.dirname, '../../.services/cache', `${name}.lock`), String(await deadPid()))
    await work()
    await expect(withLock(name, () => Promise.reject(new Error('work failed')))).rejects.toThrow('work failed')
    await work()
  })
})

describe('provideServices', () => {
  const before = { ...process.env }
  beforeEach(() => {
    for (const name of ['CI', 'FIRST_URL', 'SECOND_URL']) delete process.env[name]
  })
  afterEach(() => {
    process.env = { ...before }
  })

  const fake = (start: Service['start'], requiredInCi = true): Service => ({
    name: 'fake',
    variables: ['FIRST_URL', 'SECOND_URL'],
    requiredInCi,
    start,
  })
  const none = fake(() => Promise.reject(new ServiceUnavailable('there is none here')))
  const running = (stop: () => Promise<void>): Service =>
    fake(async () => ({ name: 'fake', url: 'fake://own', source: 'own', instances: [] as unknown as RunningService['instances'], stop }))

  it('takes the URL of the environment, the first variable before the others', async () => {
    process.env.SECOND_URL = 'fake://second'
    expect((await provideServices([none])).provided).toEqual([{ name: 'fake', url: 'fake://second', says: 'from the environment' }])
    expect(process.env.FIRST_URL).toBe('fake://second')
    expect(urlFromEnvironment(none, { FIRST_URL: 'fake://first', SECOND_URL: 'fake://second' })).toBe('fake://first')
    expect(urlFromEnvironment(none, { FIRST_URL: '' })).toBeUndefined()
  })

  it('starts one, sets the variable and ends it', async () => {
    let stopped = 0
    const { stop } = await provideServices([running(async () => void stopped++)])
    expect(process.env.FIRST_URL).toBe('fake://own')
    await stop()
    expect(stopped).toBe(1)
  })

  it('reports what cannot be had', async () => {
    expect((await provideServices([none])).provided).toEqual([{ name: 'fake', says: 'there is none here' }])
    expect(process.env.FIRST_URL).toBeUndefined()
  })

  it('fails with CI set when it is required, and ends what it had started', async () => {
    process.env.CI = 'true'
    let stopped = 0
    await expect(provideServices([running(async () => void stopped++), { ...none, variables: ['THIRD_URL'] }])).rejects.toThrow(
      'there is none here',
    )
    expect(stopped).toBe(1)
    await expect(provideServices([fake(none.start, false)])).resolves.toBeDefined()
  })

  it('fails everywhere on a server that is there and broken', async () => {
    await expect(provideServices([fake(() => Promise.reject(new Error('its data are damaged')))])).rejects.toThrow('its data are damaged')
  })

  it('names the services there are', () => {
    expect(() => serviceNamed('oracle')).toThrow(/There is no service oracle\. Services: mariadb, mysql9/)
  })
})

describe('poll', () => {
  it('gives what the check found, or says what did not come', async () => {
    let calls = 0
    expect(await poll(1_000, 'It did not come', () => (++calls === 3 ? 'it' : undefined), 1)).toBe('it')
    await expect(poll(5, 'It did not come', () => undefined, 1)).rejects.toThrow('It did not come within 0.005 s')
  })
})
