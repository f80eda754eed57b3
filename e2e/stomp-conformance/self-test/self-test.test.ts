import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { conformanceCases, innerline, runCase, type Target } from '../index.js'
import { DEFECTS, type Defect } from './defects.js'
import { startReferenceServer, TIMES } from './reference-server.js'

// The suite is tested like a test: a correct server passes every case, and for each planted defect the named cases fail.

const { sendsPerSecond: _, ...unpaced } = innerline('bob')
const profile = { ...unpaced, connectTimeoutMs: TIMES.connectTimeout, silenceMs: TIMES.silence }
const credentials = [['Authorization', 'Bearer good']] as const
const applicable = conformanceCases.filter((one) => one.applies?.(profile) !== false)

describe('a correct server', () => {
  let target: Target
  let stop: () => Promise<void>
  beforeAll(async () => {
    const server = await startReferenceServer()
    target = { url: server.url, profile, credentials }
    stop = server.stop
  })
  afterAll(() => stop())

  it.each(applicable.map((one) => [one.id, one] as const))('passes %s', async (_id, one) => {
    await runCase(one, target)
  })
})

describe('a server that', () => {
  it.each(Object.entries(DEFECTS))('%s fails', async (defect, ids) => {
    const server = await startReferenceServer(defect as Defect)
    const pick = (id: string) => {
      const found = applicable.find((candidate) => candidate.id === id)
      if (found === undefined) throw new Error(`there is no case ${id}`)
      return found
    }
    try {
      // A server that cannot be used at all would fail every case and prove nothing.
      await runCase(pick('connect/connected'), { url: server.url, profile, credentials })
      for (const id of ids) {
        const one = pick(id)
        // A missing answer is waited for up to the deadline, so it is short here.
        const failing = runCase(
          { ...one, run: (conversation) => one.run(conversation) },
          { url: server.url, profile, credentials, timeoutMs: 400 },
        )
        await expect(failing, id).rejects.toThrow()
      }
    } finally {
      await server.stop()
    }
  })
})

it('every case has its own id', () => {
  expect(new Set(conformanceCases.map((one) => one.id)).size).toBe(conformanceCases.length)
})
