import { expect, it } from 'vitest'
import { isQueue, isSendDestination, QUEUES, SEND_DESTINATIONS, WS_PATHS } from '../src/index.js'

it('destinations match exactly, and nobody names another’s queue', () => {
  const sends = Object.values(SEND_DESTINATIONS)
  const queues = Object.values(QUEUES)
  for (const destination of sends) expect([isSendDestination(destination), isQueue(destination)], destination).toEqual([true, false])
  for (const destination of queues) expect([isSendDestination(destination), isQueue(destination)], destination).toEqual([false, true])
  const others = [
    '',
    '/',
    '/user/queue/*',
    '/user/bob/queue/messages',
    '/user/queue/messages-user1',
    '/queue/messages',
    'toString',
    '/user/**',
  ]
  for (const real of [...sends, ...queues]) others.push(`${real}/`, ` ${real}`, `${real}?x`, `${real}\n`, real.toUpperCase(), real.slice(1))
  for (const destination of others) expect([isSendDestination(destination), isQueue(destination)], destination).toEqual([false, false])
})

it('destinations and paths are the documented ones', () => {
  expect(Object.values(SEND_DESTINATIONS)).toContain('/app/chat.sendMessage')
  expect(Object.values(QUEUES)).toHaveLength(4)
  expect(WS_PATHS).toEqual({ chat: '/ws/chat', agent: '/ws/agent' })
})
