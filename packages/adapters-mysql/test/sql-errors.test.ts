import { ImError } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { DeadlineError } from '../src/driver.js'
import { breaksConnection, classify, type SqlErrorKind, toImError } from '../src/sql-errors.js'

const driverError = (fields: object, message = 'x'): Error => Object.assign(new Error(message), fields)

const cases: readonly (readonly [string, unknown, SqlErrorKind])[] = [
  ['a deadlock', driverError({ errno: 1213, code: 'ER_LOCK_DEADLOCK' }), 'deadlock'],
  ['a row that has changed since it was read (MariaDB)', driverError({ errno: 1020 }), 'deadlock'],
  ['a lock wait timeout', driverError({ errno: 1205, code: 'ER_LOCK_WAIT_TIMEOUT' }), 'lock-wait'],
  ['NOWAIT (MySQL)', driverError({ errno: 3572 }), 'lock-wait'],
  ['a duplicate', driverError({ errno: 1062 }), 'duplicate'],
  ['a killed connection (MariaDB)', driverError({ errno: 1927, fatal: true }), 'lost'],
  ['a killed query', driverError({ errno: 1317 }), 'lost'],
  ['a shutdown', driverError({ errno: 1053 }), 'lost'],
  ['inactivity (MySQL)', driverError({ errno: 4031, fatal: true }), 'lost'],
  ['a lost connection', driverError({ code: 'PROTOCOL_CONNECTION_LOST', fatal: true }), 'lost'],
  ['a reset', driverError({ code: 'ECONNRESET', errno: -104 }), 'lost'],
  ['a refused connection', driverError({ code: 'ECONNREFUSED', errno: -111 }), 'lost'],
  ['a broken pipe', driverError({ code: 'EPIPE' }), 'lost'],
  ['a name that is not found', driverError({ code: 'ENOTFOUND' }), 'lost'],
  ['a closed connection, which has no code', driverError({}, "Can't add new command when connection is in closed state"), 'lost'],
  ['a pool that was ended', driverError({}, 'Pool is closed.'), 'lost'],
  ['a deadline', new DeadlineError('late'), 'lost'],
  ['anything fatal', driverError({ errno: 9_999, fatal: true }), 'lost'],
  ['a replica', driverError({ errno: 1290 }), 'read-only'],
  ['a read-only transaction', driverError({ errno: 1792 }), 'read-only'],
  ['too many connections', driverError({ errno: 1040, fatal: true }), 'full'],
  ['a packet too large', driverError({ errno: 1153, fatal: true }), 'too-large'],
  ['a wrong password', driverError({ errno: 1045, fatal: true }), 'denied'],
  ['a missing grant', driverError({ errno: 1142 }), 'denied'],
  ['a missing table', driverError({ errno: 1146 }), 'schema'],
  ['a syntax error', driverError({ errno: 1064 }), 'other'],
  ['no error object', 'oops', 'other'],
  ['nothing', undefined, 'other'],
]

describe('errors of the driver and the server', () => {
  it.each(cases)('%s is known for what it means', (_, error, kind) => {
    expect(classify(error)).toBe(kind)
  })

  it.each(cases)('%s is told to callers with a code of the table', (_, error, kind) => {
    const told = toImError(error)
    expect(told).toBeInstanceOf(ImError)
    expect(told.code).toBe(['other', 'duplicate', 'too-large'].includes(kind) ? 'INTERNAL' : 'UNAVAILABLE')
    expect(told.retryAfterMs).toBeGreaterThan(0)
    expect(told.cause).toBe(error)
  })

  it('never gives a connection back whose state is not known', () => {
    const kinds = cases.map(([, , kind]) => kind)
    expect([...new Set(kinds.filter(breaksConnection))].sort()).toEqual(['denied', 'lost', 'read-only'])
  })

  it('leaves ImErrors as they are', () => {
    const own = new ImError('STATE_CONFLICT')
    expect(toImError(own)).toBe(own)
  })
})
