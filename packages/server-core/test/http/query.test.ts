import { isImError, isUserId } from '@innerline/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { choice, conversation, integer, msgId, type Param, text, userIds } from '../../src/http/param.js'
import { parseQuery, readPath, readQuery, splitTarget } from '../../src/http/query.js'

const limit = integer('', { min: 1, max: 200 })

/** The detail of the INVALID_REQUEST that `act` throws. */
function refusal(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (isImError(error, 'INVALID_REQUEST')) return error.detail ?? ''
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('the target of a request', () => {
  it.each([
    ['/a/b', { path: '/a/b', search: '' }],
    ['/a?x=1&y=?', { path: '/a', search: 'x=1&y=?' }],
    ['/a?x#y?z', { path: '/a', search: 'x' }],
    ['/a#y?z', { path: '/a', search: '' }],
    ['http://im.example:80/a?x', { path: '/a', search: 'x' }],
    ['HTTPS://im.example', { path: '', search: '' }],
    ['*', { path: '*', search: '' }],
  ])('splits %s', (url, target) => expect(splitTarget(url)).toEqual(target))
})

describe('parseQuery', () => {
  it('reads what URLSearchParams writes', () => {
    const pairs = fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })))
    fc.assert(
      fc.property(pairs, (given) => {
        const written = new URLSearchParams(given as [string, string][])
        const read = parseQuery(written.toString())
        expect([...read.keys()].sort()).toEqual([...new Set(written.keys())].sort())
        for (const name of read.keys()) expect(read.get(name)).toEqual(written.getAll(name))
      }),
    )
  })

  it.each(['a=%', 'a=%z1', '%=1', 'a=%ff', 'a=%e4%b8', 'x=1&b=%C0%80'])('refuses malformed percent-encoding in %s', (search) => {
    expect(refusal(() => parseQuery(search))).toBe('The query is not valid percent-encoding.')
  })

  it('throws nothing but INVALID_REQUEST, whatever it is given', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '=', '&', '%', '2', 'f', '+', '#', '\u{1f600}') }), (search) => {
        try {
          parseQuery(search)
        } catch (error) {
          expect(isImError(error, 'INVALID_REQUEST')).toBe(true)
        }
      }),
    )
  })
})

describe('an integer parameter', () => {
  it('reads every safe integer within its bounds and refuses the others', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        if (value >= 1 && value <= 200) expect(limit.read(String(value), 'limit')).toBe(value)
        else expect(refusal(() => limit.read(String(value), 'limit'))).toBe('limit must be an integer from 1 to 200.')
      }),
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), (value) => {
        expect(limit.read(String(value), 'limit')).toBe(value)
      }),
    )
  })

  it('reads only the one decimal spelling of a number', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.double().map(String),
          fc.integer().map((n) => `0${n}`),
        ),
        (raw) => {
          const anything = integer('')
          if (/^\d+$/.test(raw) && String(Number(raw)) === raw && Number.isSafeInteger(Number(raw))) {
            expect(anything.read(raw, 'n')).toBe(Number(raw))
          } else expect(refusal(() => anything.read(raw, 'n'))).toBe('n must be an integer of at least 0.')
        },
      ),
    )
  })

  it.each([
    '',
    ' 5',
    '5 ',
    '+5',
    '-1',
    '-0',
    '1e3',
    '1.0',
    '0x10',
    '007',
    'abc',
    'NaN',
    'Infinity',
    '٥',
    '9007199254740992',
    '9'.repeat(40),
  ])('refuses %j', (raw) => {
    expect(refusal(() => integer('').read(raw, 'afterSeq'))).toBe('afterSeq must be an integer of at least 0.')
  })

  it('takes the bounds themselves', () => {
    expect(['1', '200'].map((raw) => limit.read(raw, 'limit'))).toEqual([1, 200])
    expect(['0', '201'].map((raw) => refusal(() => limit.read(raw, 'limit')))).toHaveLength(2)
    expect(integer('').read('9007199254740991', 'n')).toBe(Number.MAX_SAFE_INTEGER)
    expect(integer('').read('0', 'n')).toBe(0)
  })
})

describe('other parameters', () => {
  const refused: readonly [string, Param<unknown>, string][] = [
    ['a word that is not listed', choice('', ['direct', 'group']), 'Direct'],
    ['empty text', text('', 3), ''],
    ['text that is too long', text('', 3), 'abcd'],
    ['an upper-case msgId', msgId(''), '0190A1B2-C3D4-7E5F-8A6B-7C8D9E0F1A2B'],
    ['a conversation with unordered users', conversation(''), 'd~bob~alice'],
    ['a session id with a slash', conversation(''), 'a/b'],
    ['an empty user id', userIds('', 3), 'alice,'],
    ['too many user ids', userIds('', 3), 'a,b,c,d'],
    ['a user id with a space', userIds('', 3), 'a b'],
  ]
  it.each(refused)('refuse %s, naming the parameter and not the value', (_what, param, raw) => {
    const detail = refusal(() => param.read(raw, 'thing'))
    expect(detail).toMatch(/^thing (must|may) /)
    if (raw !== '') expect(detail).not.toContain(` ${raw}.`)
  })

  it('take what they are for', () => {
    expect(choice('', ['direct', 'group']).read('group', 'x')).toBe('group')
    expect(text('', 3).read('王小明', 'x')).toBe('王小明')
    expect(conversation('').read('d~alice~bob', 'x')).toBe('d~alice~bob')
    expect(conversation('').read('visit-17', 'x')).toBe('s~visit-17')
    expect(userIds('', 3).read('a,b,a', 'x')).toEqual(['a', 'b'])
  })

  it('read back any list of user ids', () => {
    const id = fc.stringMatching(/^[A-Za-z0-9._@|:+=-]{1,64}$/)
    fc.assert(
      fc.property(fc.uniqueArray(id, { minLength: 1, maxLength: 200 }), (ids) => {
        expect(ids.every(isUserId)).toBe(true)
        const { ids: read } = readQuery({ ids: userIds('', 200) }, new URLSearchParams({ ids: ids.join(',') }).toString())
        expect(read).toEqual(ids)
      }),
    )
  })
})

describe('reading parameters', () => {
  it('leaves out what is missing and ignores what is unknown', () => {
    expect(readQuery({ limit, afterSeq: integer('') }, 'limit=7&debug=1&debug=2')).toEqual({ limit: 7 })
  })

  it('refuses a known parameter that is given twice', () => {
    expect(refusal(() => readQuery({ limit }, 'limit=7&limit=7'))).toBe('limit is given twice.')
  })

  it('is not fooled by names of Object.prototype', () => {
    expect(readQuery({ limit }, '__proto__=1&constructor=2&toString=3')).toEqual({})
  })

  it('decodes path segments, slashes and all', () => {
    expect(readPath({ q: text('', 9) }, { q: 'a%2Fb' })).toEqual({ q: 'a/b' })
    expect(refusal(() => readPath({ q: text('', 9) }, { q: '%E0%A4%A' }))).toBe('q is not valid percent-encoding.')
  })
})
