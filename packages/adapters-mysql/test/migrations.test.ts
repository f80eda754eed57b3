import { describe, expect, it } from 'vitest'
import { checksumOf, expectedColumns, migrations, SCHEMA_VERSION, sqlFileOf } from '../src/migrations/index.js'
import { lockName, placeNames, prefixOf, tablesOf } from '../src/tables.js'

/** What one of the two servers does not know, or means differently by (research: the usable intersection). */
const notPortable =
  /\b(?:RETURNING|JSON (?:NOT )?NULL|LATERAL|UUID_TO_BIN|FOR SHARE|0900|uca1400|DATETIME|TIMESTAMP (?:NOT )?NULL|ENUM|->>?)\b/i

describe('migrations', () => {
  it('have consecutive versions', () => {
    expect(migrations.map((migration) => migration.version)).toEqual(migrations.map((_, i) => i + 1))
    expect(SCHEMA_VERSION).toBe(migrations.length)
  })

  it.each(migrations.flatMap(({ version, statements }) => statements.map((text) => [version, text.slice(0, 60), text] as const)))(
    '%i: %s… may be run again, and depends on no server’s defaults',
    (_, __, text) => {
      expect(text).toMatch(
        /^(?:CREATE TABLE IF NOT EXISTS|CREATE OR REPLACE SQL SECURITY INVOKER VIEW|INSERT IGNORE INTO|ALTER TABLE) t_(?:cs|im)_/,
      )
      expect(text).not.toMatch(notPortable)
      expect(text).not.toContain('`')
      if (!text.startsWith('CREATE TABLE')) return
      expect(text).toMatch(/ENGINE=InnoDB/)
      expect(text).toMatch(/DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin$/)
      for (const column of text.split('\n').filter((line) => /\b(?:VARCHAR|CHAR|TEXT)\b/.test(line))) {
        expect(column, 'spells its charset').toMatch(/CHARACTER SET (?:ascii COLLATE ascii_bin|utf8mb4 COLLATE utf8mb4_bin)/)
      }
    },
  )

  it('keep the seed’s names of tables, views and columns', () => {
    const shapes = expectedColumns()
    const columns = (name: string): readonly string[] => shapes.get(name)?.columns ?? []
    expect(columns('t_cs_session')).toEqual(
      expect.arrayContaining(['session_id', 'customer_id', 'agent_id', 'session_state', 'last_msg_time', 'created_at']),
    )
    expect(columns('t_cs_message')).toEqual(
      expect.arrayContaining(['msg_id', 'session_id', 'chat_type', 'timestamp', 'created_at', 'seq', 'body']),
    )
    expect(shapes.get('t_im_unread_counter')).toEqual({ view: true, columns: ['user_id', 'conversation_id', 'unread_count', 'updated_at'] })
    expect(shapes.get('t_im_offline_message')).toEqual({
      view: true,
      columns: ['receiver_id', 'conversation_id', 'msg_id', 'msg_brief', 'created_at', 'session_id', 'seq'],
    })
    expect(columns('t_cs_message'), 'keys are no columns').not.toContain('k_time')
    expect(shapes.size).toBe(13)
  })

  it('change their checksum with any letter', () => {
    const [first] = migrations
    if (first === undefined) throw new Error('There is no migration.')
    expect(checksumOf(first)).toMatch(/^[0-9a-f]{64}$/)
    expect(checksumOf({ ...first, statements: [...first.statements, ' '] })).not.toBe(checksumOf(first))
  })

  it('are shipped as files with bare names', () => {
    const files = migrations.map(sqlFileOf)
    expect(files[0]?.name).toBe('0001_storage.sql')
    expect(files[0]?.text).toMatch(/^CREATE TABLE IF NOT EXISTS t_cs_session \(/)
    expect(files[0]?.text.trimEnd().endsWith(';')).toBe(true)
  })
})

describe('names', () => {
  it('carry database and namespace wherever they stand, and nothing else does', () => {
    expect(placeNames('SELECT t_x, m.timestamp FROM t_cs_message m JOIN t_im_user', 'my`db', 'ns_')).toBe(
      'SELECT t_x, m.timestamp FROM `my``db`.`ns_t_cs_message` m JOIN `my``db`.`ns_t_im_user`',
    )
    expect(tablesOf('db', 'ns_').session.text).toBe('`db`.`ns_t_cs_session`')
  })

  it.each(['A', '1a', 'a-b', 'a b', "a'", 'a'.repeat(17), 'ä', '_'])('refuse the namespace %j', (namespace) => {
    expect(() => prefixOf(namespace)).toThrow(/namespace/)
  })

  it('leave room in every identifier, and make locks of at most 64 characters that never meet', () => {
    const longest = Math.max(...[...expectedColumns().keys()].map((name) => name.length))
    expect(prefixOf('a'.repeat(16)).length + longest).toBeLessThanOrEqual(64)
    const locks = [
      lockName('db', '', 'migrate'),
      lockName('db', 'a_', 'migrate'),
      lockName('dba_', '', 'migrate'),
      lockName('db', '', 'other'),
    ]
    expect(new Set(locks).size).toBe(4)
    for (const name of locks) expect(name.length).toBeLessThanOrEqual(64)
  })
})
