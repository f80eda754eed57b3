import { isImError } from '@innerline/protocol'
import type { Clock } from '@innerline/server-core'
import { describe, expect, it } from 'vitest'
import { ConnectionPool, type OwnConnection } from '../src/connection-pool.js'
import type { DriverConnection } from '../src/driver.js'
import { sql } from '../src/sql.js'

/** Time that moves when the test says so. */
function handClock() {
  let now = 0
  const timers = new Set<{ at: number; fn: () => void }>()
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after(delayMs, fn) {
      const timer = { at: now + delayMs, fn }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    soon: (fn) => queueMicrotask(fn),
  }
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 30; i++) await undefined
  }
  return {
    clock,
    settle,
    get timers() {
      return timers.size
    },
    async pass(ms: number): Promise<void> {
      now += ms
      for (const timer of [...timers]) {
        if (timer.at > now || !timers.delete(timer)) continue
        timer.fn()
      }
      await settle()
    },
  }
}

function server() {
  const opened: (DriverConnection & { destroyed: boolean; ended: boolean; readonly asked: string[] })[] = []
  const state = { silent: false, refuse: undefined as Error | undefined }
  const open = async (): Promise<DriverConnection> => {
    if (state.refuse !== undefined) throw state.refuse
    const connection = {
      ...{ destroyed: false, ended: false, asked: [] as string[], threadId: opened.length + 1 },
      query(options: object, done: (error: unknown, result?: unknown) => void) {
        const { sql: text } = options as { sql: string }
        connection.asked.push(text)
        if (state.silent) return
        queueMicrotask(() => done(null, text.includes(';\n') ? text.split(';\n').map(() => ({})) : {}))
      },
      destroy() {
        connection.destroyed = true
      },
      end(done?: () => void) {
        connection.ended = true
        done?.()
      },
      on: () => undefined,
    }
    opened.push(connection)
    return connection
  }
  return { opened, open, state }
}

function poolOf(limit: number) {
  const time = handClock()
  const { opened, open, state } = server()
  const killed: string[] = []
  let names = 0
  const pool = new ConnectionPool({
    open,
    clock: time.clock,
    limit,
    acquireMs: 1_000,
    deadlineMs: 500,
    newName: () => `name-${++names}`,
    onDeadline: (name) => killed.push(name),
  })
  return { time, opened, state, killed, pool }
}

describe('our own connections', () => {
  it('are opened when needed, set up once, used again, and never more than allowed', async () => {
    const { pool, opened, time } = poolOf(2)
    const [first, second] = [await pool.acquire(), await pool.acquire()]
    expect(opened).toHaveLength(2)
    expect(opened[0]?.asked[0]).toMatch(/sql_mode.*innodb_lock_wait_timeout = 1.*READ COMMITTED/s)
    let third: OwnConnection | undefined
    const waiting = pool.acquire().then((connection) => {
      third = connection
    })
    await time.settle()
    expect(third).toBeUndefined()
    pool.release(first)
    await waiting
    expect(third).toBe(first)
    pool.release(second)
    expect(await pool.acquire()).toBe(second)
    expect(opened).toHaveLength(2)
    expect(opened[0]?.asked).toHaveLength(1)
  })

  it('are waited for in turn and for a bounded time', async () => {
    const { pool, time } = poolOf(1)
    const first = await pool.acquire()
    const order: string[] = []
    const waiters = ['a', 'b'].map((who) =>
      pool.acquire().then((connection) => {
        order.push(who)
        pool.release(connection)
      }),
    )
    const late = pool.acquire().then(
      () => 'served',
      (error: unknown) => (isImError(error, 'UNAVAILABLE') ? 'refused' : error),
    )
    await time.settle()
    pool.release(first)
    await Promise.all(waiters)
    expect(order).toEqual(['a', 'b'])
    expect(await late).toBe('served')
    const held = await poolOf(1)
    await held.pool.acquire()
    const refused = held.pool.acquire().catch((error: unknown) => error)
    await held.time.pass(1_001)
    expect(isImError(await refused, 'UNAVAILABLE')).toBe(true)
    expect(held.time.timers).toBe(0)
  })

  it('leave their place to a waiter when one is discarded', async () => {
    const { pool, opened, time } = poolOf(1)
    const first = await pool.acquire()
    const waiting = pool.acquire()
    await time.settle()
    pool.discard(first)
    expect(await waiting).not.toBe(first)
    expect(opened.map((connection) => connection.destroyed)).toEqual([true, false])
  })

  it('that cannot be opened leave their place as well', async () => {
    const { pool, state, time } = poolOf(1)
    state.refuse = new Error('no')
    await expect(pool.acquire()).rejects.toThrow('no')
    const [a, b] = [pool.acquire().catch((error: unknown) => error), pool.acquire().catch((error: unknown) => error)]
    await time.settle()
    expect([await a, await b]).toEqual([state.refuse, state.refuse])
    state.refuse = undefined
    await pool.acquire()
  })

  it('that were idle for long are not trusted', async () => {
    const { pool, opened, time } = poolOf(2)
    pool.release(await pool.acquire())
    await time.pass(46_000)
    await pool.acquire()
    expect(opened.map((connection) => connection.ended)).toEqual([true, false])
  })

  it('whose server does not answer are given up, and their statement is ended by another', async () => {
    const { pool, opened, state, time, killed } = poolOf(1)
    const connection = await pool.acquire()
    state.silent = true
    const asked = connection.run([sql`SELECT 1`]).catch((error: unknown) => error)
    await time.pass(501)
    expect(await asked).toMatchObject({ code: 'INNERLINE_DEADLINE', fatal: true })
    expect(opened[0]?.destroyed).toBe(true)
    expect(killed).toEqual(['name-1'])
  })

  it('are all gone when close resolves, also those in use and those being opened', async () => {
    const { pool, opened, time } = poolOf(3)
    const [busy, idle] = [await pool.acquire(), await pool.acquire()]
    pool.release(idle)
    let closed = false
    const closing = pool.close().then(() => {
      closed = true
    })
    await time.settle()
    expect(closed).toBe(false)
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    pool.release(busy)
    await closing
    expect(opened.every((connection) => connection.destroyed || connection.ended)).toBe(true)
    const stuck = poolOf(1)
    await stuck.pool.acquire()
    const impatient = stuck.pool.close()
    await stuck.time.pass(5_001)
    await impatient
    expect(stuck.opened[0]?.destroyed).toBe(true)
  })

  it('refuse whoever waits when the pool is closed', async () => {
    const { pool, time } = poolOf(1)
    const held = await pool.acquire()
    const waiting = pool.acquire().catch((error: unknown) => error)
    await time.settle()
    const closing = pool.close()
    expect(isImError(await waiting, 'UNAVAILABLE')).toBe(true)
    pool.release(held)
    await closing
    expect(time.timers).toBe(0)
  })
})
