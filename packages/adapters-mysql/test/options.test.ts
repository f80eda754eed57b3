import { describe, expect, it } from 'vitest'
import { connectionOptionsOf } from '../src/borrowed-pool.js'
import { mysqlStorage } from '../src/index.js'
import { resolveOptions } from '../src/options.js'
import { judgeServer } from '../src/server-check.js'

const uri = 'mysql://u:p@db:3306/chat'
const pool = { getConnection: () => undefined }

describe('options', () => {
  it.each([
    ['neither pool nor uri', {}, /either `pool` or `uri`/],
    ['both', { pool, uri }, /either `pool` or `uri`/],
    ['no pool', { pool: {} as never }, /no mysql2 pool/],
    ['a pool that hides its address', { pool }, /give `connection`/],
    ['no URI', { uri: 'somewhere' }, /must look like mysql:/],
    ['a URI without a database', { uri: 'mysql://db:3306' }, /must look like mysql:/],
    ['a URI with a bare % in the password', { uri: 'mysql://u:100%@db:3306/chat' }, /must look like mysql:.*percent-encoded/],
    ['a URI with a bare # in the password', { uri: 'mysql://u:a#b@db:3306/chat' }, /must look like mysql:.*percent-encoded/],
    ['a URI with no possible port', { uri: 'mysql://db:99999/chat' }, /must look like mysql:/],
    ['an odd namespace', { uri, namespace: 'My App' }, /`namespace`/],
    ['odd migrations', { uri, migrations: 'yes' as never }, /`migrations`/],
    ['no connections', { uri, connections: { append: 0 } }, /`connections`/],
  ])('%s is refused with a sentence at once', (_, options, sentence) => {
    expect(() => mysqlStorage(options)).toThrow(sentence)
  })

  it('have working defaults, and nothing is opened at construction', () => {
    const resolved = resolveOptions({ uri })
    expect(resolved).toMatchObject({ connection: { uri }, prefix: '', migrations: 'auto', limits: { append: 8, spare: 4, general: 6 } })
    expect(mysqlStorage({ uri }).capabilities).toEqual({ durable: true })
  })

  it('reject every call before start', async () => {
    const storage = mysqlStorage({ uri })
    await expect(storage.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: expect.any(Number) })
    await expect(storage.appendMessages({ nodeId: 'n', now: 1, items: [] })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await storage.close()
  })

  it('take address and credentials of a pool, and none of its flags', () => {
    const connectionConfig = {
      ...{ host: 'db', port: 3307, user: 'u', password: 'p', database: 'chat', ssl: { ca: 'x' }, compress: false },
      ...{ supportBigNumbers: false, dateStrings: true, clientFlags: 7, typeCast: () => 0, queryFormat: () => '', rowsAsArray: true },
    }
    const core = { getConnection: () => undefined, config: { connectionConfig } }
    const expected = { host: 'db', port: 3307, user: 'u', password: 'p', database: 'chat', ssl: { ca: 'x' } }
    expect(connectionOptionsOf({ ...pool, pool: core } as never), 'promise form').toEqual(expected)
    expect(connectionOptionsOf({ ...core, promise: () => undefined } as never), 'callback form').toEqual(expected)
    expect(connectionOptionsOf(pool)).toBeUndefined()
  })
})

describe('what a server’s variables mean', () => {
  const good = {
    ...{ version: '8.4.3', auto_increment_increment: '1', innodb_flush_log_at_trx_commit: '1', sync_binlog: '1', log_bin: 'ON' },
    ...{ binlog_format: 'ROW', max_allowed_packet: '67108864' },
  }
  const judge = (over: Readonly<Record<string, string>>) => judgeServer(new Map(Object.entries({ ...good, ...over })))

  it('accepts MySQL 8 and 9 and MariaDB from 10.11 on', () => {
    for (const version of [
      '8.0.19',
      '8.0.40-0ubuntu0.22.04.1',
      '8.4.3',
      '9.7.4-2',
      '10.11.2-MariaDB',
      '10.11.19-MariaDB-0+deb12u1',
      '11.4.2-MariaDB',
      '5.5.5-10.11.6-MariaDB',
      '8.0.mysql_aurora.3.08.0'.replace('8.0.mysql', '8.0.39.mysql'),
    ]) {
      expect(judge({ version }).warnings).toEqual([])
    }
  })

  it.each([
    ['an old MySQL', { version: '5.7.44-log' }, /5\.7\.44.*needed/i],
    ['an early MySQL 8', { version: '8.0.11' }, /needed/],
    ['an old MariaDB', { version: '10.6.18-MariaDB' }, /10\.11/],
    ['something else', { version: 'TiDB' }, /needed/i],
    ['Galera', { version: '10.11.6-MariaDB', wsrep_on: 'ON' }, /Galera/],
    ['several primaries', { group_replication_group_name: 'x', group_replication_single_primary_mode: 'OFF' }, /single-primary/],
    ['steps of two', { auto_increment_increment: '2' }, /auto_increment_increment must be 1/],
    ['a statement binlog', { binlog_format: 'STATEMENT' }, /STATEMENT/],
    ['tiny packets', { max_allowed_packet: '65536' }, /max_allowed_packet/],
  ])('refuses %s', (_, over, sentence) => {
    expect(() => judge(over as never)).toThrow(sentence)
  })

  it('accepts one primary of a group, and a statement format that nothing is written in', () => {
    expect(judge({ group_replication_group_name: 'x', group_replication_single_primary_mode: 'ON' }).warnings).toEqual([])
    expect(judge({ log_bin: 'OFF', binlog_format: 'STATEMENT', sync_binlog: '0' }).takesBack).toBe(true)
  })

  it('knows where readers may see a commit before it is on disk', () => {
    expect(judge({}).takesBack).toBe(false)
    expect(judge({ version: '10.11.6-MariaDB', innodb_flush_log_at_trx_commit: '3' }).takesBack, 'one more sync than 1').toBe(false)
    for (const over of [
      { log_bin: 'OFF' },
      { sync_binlog: '0' },
      { sync_binlog: '100' },
      { innodb_flush_log_at_trx_commit: '2' },
      { innodb_flush_log_at_trx_commit: '0' },
      { innodb_flush_log_at_trx_commit: '3' },
    ]) {
      expect(judge(over as never).takesBack, JSON.stringify(over)).toBe(true)
      expect(judge({ version: '10.11.6-MariaDB', ...(over as object) }).takesBack).toBe(over.innodb_flush_log_at_trx_commit !== '3')
    }
  })

  it('warns of what makes "acknowledged" less than crash-safe', () => {
    expect(judge({ innodb_flush_log_at_trx_commit: '2', sync_binlog: '0' }).warnings).toEqual([
      expect.stringMatching(/innodb_flush_log_at_trx_commit is not 1: an acknowledged message can be lost/),
      expect.stringMatching(/sync_binlog is not 1: an acknowledged message can be lost/),
    ])
    expect(judge({ log_bin: 'OFF', sync_binlog: '0' }).warnings).toEqual([
      expect.stringMatching(/log_bin.*can take back what readers have seen, though nothing that was acknowledged.*every restart.*epoch/),
    ])
    expect(judge({}).maxPacket).toBe(67_108_864)
  })
})
