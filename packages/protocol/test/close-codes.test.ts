import { expect, it } from 'vitest'
import { CLOSE, mayReconnect } from '../src/index.js'

it('close codes say by their range whether to connect again', () => {
  const final = Object.entries(CLOSE).filter(([, code]) => !mayReconnect(code))
  expect(final.map(([name]) => name).sort()).toEqual([
    'forbidden',
    'protocolError',
    'replaced',
    'tokenRevoked',
    'unauthorized',
    'unsupportedVersion',
  ])
  for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 4000, 4499, 5000]) expect(mayReconnect(code), String(code)).toBe(true)
  for (const code of [4500, 4750, 4999]) expect(mayReconnect(code), String(code)).toBe(false)
})

it('close codes are distinct, and ones an endpoint may send', () => {
  const codes = Object.values(CLOSE)
  expect(new Set(codes).size).toBe(codes.length)
  // RFC 6455 §7.4: 1005, 1006 and 1015 are never sent; 4000–4999 are private use.
  for (const code of codes) expect(code === 1012 || (code >= 4000 && code <= 4999), String(code)).toBe(true)
})
