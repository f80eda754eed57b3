import { describe, expect, it } from 'vitest'
import type { StoredUser } from '../../ports/storage.js'
import { Arrange } from '../arrange.js'
import type { Current, StorageHarness } from '../harness.js'

export function userCases(current: Current<StorageHarness>): void {
  const user = (userId: string, fields: Partial<StoredUser> = {}): StoredUser => ({
    userId,
    userType: 'user',
    displayName: userId,
    roles: [],
    passwordHash: 'scrypt$16384$8$1$c2FsdA==$aGFzaA==',
    ...fields,
  })

  describe('users', () => {
    it('are read as they were put, unknown ones left out', async () => {
      const a = new Arrange(current())
      const full = user(a.user('ann'), { displayName: '王 "Ann" 😀', userType: 'agent', avatar: '/a.png', roles: ['admin', 'audit'] })
      const bare = user(a.user('bob'), { userType: 'customer' })
      await a.storage.putUser(full)
      await a.storage.putUser(bare)
      const read = [...(await a.storage.readUsers([full.userId, a.user('nobody'), bare.userId, full.userId]))]
      expect(read.sort((x, y) => (x.userId < y.userId ? -1 : 1))).toEqual([full, bare])
      expect(await a.storage.readUsers([])).toEqual([])
    })

    it('are replaced whole, on every node', async () => {
      const a = new Arrange(current())
      const other = await current().second()
      const ann = user(a.user('ann'), { avatar: '/a.png', roles: ['admin'] })
      await a.storage.putUser(ann)
      const changed: StoredUser = { userId: ann.userId, userType: 'agent', displayName: 'Ann', roles: [], passwordHash: 'x' }
      await other.putUser(changed)
      expect(await a.storage.readUsers([ann.userId])).toEqual([changed])
    })

    it('differ by case', async () => {
      const a = new Arrange(current())
      const lower = a.user('bob')
      const upper = lower.replace('bob', 'BOB')
      await a.storage.putUser(user(lower))
      expect(await a.storage.readUsers([upper])).toEqual([])
      await a.storage.putUser(user(upper, { displayName: 'other' }))
      expect(await a.storage.readUsers([lower])).toEqual([user(lower)])
    })

    it('are found by a part of id or name, whatever the case, in id order', async () => {
      const a = new Arrange(current())
      const mark = current().ids.uuid().slice(24)
      const put = [
        user(`c-${mark}`),
        user(`a-${mark}`, { displayName: 'x' }),
        user(`b-1`.concat(a.user('')), { displayName: `Zoë ${mark.toUpperCase()}` }),
      ]
      for (const one of put) await a.storage.putUser(one)
      const found = (await a.storage.searchUsers(mark.toUpperCase(), 10)).map((one) => one.userId)
      expect(found).toEqual(put.map((one) => one.userId).sort())
      expect(await a.storage.searchUsers(mark, 2)).toHaveLength(2)
    })

    it('are searched for literally', async () => {
      const a = new Arrange(current())
      const mark = current().ids.uuid().slice(24)
      await a.storage.putUser(user(`p-${mark}`, { displayName: `100%_${mark}` }))
      await a.storage.putUser(user(`q-${mark}`, { displayName: `100xx${mark}` }))
      const ids = async (text: string): Promise<string[]> => (await a.storage.searchUsers(text, 10)).map((one) => one.userId)
      expect(await ids(`%_${mark}`)).toEqual([`p-${mark}`])
      expect(await ids(`_${mark}`)).toEqual([`p-${mark}`])
      expect(await ids(`${mark}'`)).toEqual([])
      expect(await ids(`\\${mark}`)).toEqual([])
    })
  })
}
