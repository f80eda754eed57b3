import { readFileSync } from 'node:fs'
import { ERROR_TABLE, type ErrorCode } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
const sections = page
  .split(/^## /m)
  .slice(1)
  .map((section) => ({ code: section.slice(0, section.indexOf('\n')), text: section }))
const codes = Object.keys(ERROR_TABLE) as ErrorCode[]

describe('docs/errors.md', () => {
  it('has one section per code of the table, in its order, and none besides', () => {
    expect(sections.map(({ code }) => code)).toEqual(codes)
  })

  it.each(codes)('says where %s comes from, when to retry, why it happens and what to do', (code) => {
    const { http, retry } = ERROR_TABLE[code]
    const text = sections.find((section) => section.code === code)?.text
    expect(text).toContain(`\n${http === 0 ? 'SDK only' : `HTTP ${http}`} · retry: \`${retry}\`\n`)
    expect(text).toMatch(/\n\*\*Cause\.\*\* \S.{20,}/)
    expect(text).toMatch(/\n\*\*What to do\.\*\* \S.{5,}/)
  })
})
