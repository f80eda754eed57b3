import { describe, expect, it } from 'vitest'
import { Arrange } from '../arrange.js'
import type { Current, StorageHarness } from '../harness.js'
import { readLog } from '../invariants.js'

export function lifeCases(current: Current<StorageHarness>): void {
  describe('start and close', () => {
    it('answers a ping, and starting twice is starting once', async () => {
      const { storage } = current()
      await storage.start()
      await storage.start()
      await expect(storage.ping()).resolves.toBeUndefined()
      expect(typeof storage.capabilities.durable).toBe('boolean')
    })

    it('closes one node without the other’s noticing; closing twice is closing once', async () => {
      const a = new Arrange(current())
      const other = await current().second()
      const id = await a.conversation(['ann'])
      await other.close()
      await other.close()
      await expect(other.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: expect.any(Number) })
      await expect(a.append([a.text(id, 'ann')], other)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      await a.texts(id, 'ann', 1)
      expect(await readLog(a.storage, id)).toHaveLength(1)
    })

    it('keeps everything over a close while another node lives', async () => {
      const a = new Arrange(current())
      const first = await current().second()
      const id = await a.conversation(['ann'])
      await a.accepted([a.text(id, 'ann')], first)
      await first.close()
      expect(await readLog(await current().second(), id)).toHaveLength(1)
    })
  })
}
