import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytes, derived, hash, id, ids, isStorableId, isUuid, joined, listed, Sql, sql, text, tuples, uuid } from '../src/sql.js'

const uuids = fc.uuid()

describe('SQL text', () => {
  it('takes numbers, null and other SQL, and no strings', () => {
    expect(sql`SELECT ${1},${null},${undefined},${sql`a`}`.text).toBe('SELECT 1,NULL,NULL,a')
    for (const wrong of [1.5, Number.NaN, 2 ** 53, -(2 ** 53), Number.POSITIVE_INFINITY]) expect(() => sql`${wrong}`).toThrow(RangeError)
    expect(() => sql`${"x' OR 1=1" as never}`).toThrow(RangeError)
    expect(joined([sql`a`, sql`b`], ' AND ').text).toBe('a AND b')
    expect(listed([1, null, sql`x`]).text).toBe('1,NULL,x')
  })

  it('writes ids plainly where nothing in them can mean anything else', () => {
    expect(id('d~ann~bob-1.x_y=|+').text).toBe(`_ascii'd~ann~bob-1.x_y=|+' COLLATE ascii_bin`)
    expect(id('user:ann').text).toBe(`_ascii x'757365723a616e6e' COLLATE ascii_bin`)
    expect(ids(['a', 'b']).text).toBe(`_ascii'a' COLLATE ascii_bin,_ascii'b' COLLATE ascii_bin`)
  })

  it('makes of any text a literal that only that text can be in', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom("'", '\\', "\\'", '--', '\0', '"', '`', 'ä', ' ', '')),
        (value) => {
          const written = id(value).text
          expect(written).toMatch(/^_ascii(?:'[A-Za-z0-9._~|+=-]*'| x'[0-9a-f]*') COLLATE ascii_bin$/)
          if (!isStorableId(value, 1_000)) expect(written).toBe(`_ascii'' COLLATE ascii_bin`)
          expect(text(value).text).toMatch(/^_utf8mb4 x'[0-9a-f]*' COLLATE utf8mb4_bin$/)
          const hex = /x'([0-9a-f]*)'/.exec(bytes(value).text)?.[1] ?? ''
          expect(Buffer.from(hex, 'hex').equals(Buffer.from(value))).toBe(true)
        },
      ),
    )
  })

  it('knows what an id column can hold: no blanks, as trailing ones are padding, and nothing beyond ASCII', () => {
    expect(['a', 'A'.repeat(64), '!', '~'].every((value) => isStorableId(value))).toBe(true)
    expect(['', ' ', 'a ', ' a', 'a b', 'ä', 'A'.repeat(65), 'a\n', '\u007f'].some((value) => isStorableId(value))).toBe(false)
  })

  it('keeps UUIDs and fingerprints in sixteen bytes, and takes nothing else for one', () => {
    fc.assert(fc.property(uuids, (value) => uuid(value).text === `x'${value.replaceAll('-', '')}'`))
    expect(uuid("x' OR 1=1 -- ").text).toBe(`x'${'0'.repeat(32)}'`)
    expect(isUuid('0190A0B0-0000-7000-8000-000000000000')).toBe(false)
    expect(hash('f'.repeat(32)).text).toBe(`x'${'f'.repeat(32)}'`)
    expect(() => hash('F'.repeat(32))).toThrow(RangeError)
  })

  it('makes tables of literals, naming the columns once', () => {
    expect(
      derived(
        ['a', 'b'],
        [
          [1, null],
          [2, sql`x`],
        ],
      ).text,
    ).toBe('(SELECT 1 AS a,NULL AS b UNION ALL SELECT 2,x)')
    expect(
      tuples([
        [1, 2],
        [3, new Sql('y')],
      ]).text,
    ).toBe('(1,2),(3,y)')
  })
})
