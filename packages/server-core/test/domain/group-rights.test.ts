import { describe, expect, it } from 'vitest'
import type { GroupRole } from '../../src/domain/group.js'
import { GROUP_RIGHTS, type GroupAction, type GroupTarget, mayInGroup } from '../../src/domain/group-rights.js'

const ROLES: readonly GroupRole[] = ['owner', 'admin', 'member']
const SITUATIONS = {
  'to oneself': { self: true },
  'to the owner': { role: 'owner' },
  'to an admin': { role: 'admin' },
  'to a member': { role: 'member' },
  'to a past member': {},
  'members invite': { invitePolicy: 'member' },
  'admins invite': { invitePolicy: 'admin' },
} satisfies Record<string, GroupTarget>

type Situation = keyof typeof SITUATIONS
const all = Object.keys(SITUATIONS) as Situation[]
const ordinary: readonly Situation[] = ['to a member', 'to a past member', 'members invite', 'admins invite']

/** CONTRACT's table written out a second time, by situations instead of rights: what is not named here is a no. */
const EXPECTED: Readonly<Record<GroupAction, Readonly<Record<GroupRole, readonly Situation[]>>>> = {
  send: { owner: all, admin: all, member: all },
  'mention-all': { owner: all, admin: all, member: [] },
  invite: { owner: all, admin: all, member: ['members invite'] },
  remove: { owner: all, admin: ordinary, member: [] },
  mute: { owner: all, admin: ordinary, member: [] },
  'mute-all': { owner: all, admin: all, member: [] },
  'edit-info': { owner: all, admin: all, member: [] },
  'approve-join': { owner: all, admin: all, member: [] },
  'set-role': { owner: all, admin: [], member: [] },
  transfer: { owner: all, admin: [], member: [] },
  dissolve: { owner: all, admin: [], member: [] },
  leave: { owner: [], admin: all, member: all },
  recall: { owner: all, admin: ['to oneself', ...ordinary], member: ['to oneself'] },
}

describe('rights in a group', () => {
  const cells = (Object.keys(GROUP_RIGHTS) as GroupAction[]).flatMap((action) =>
    ROLES.flatMap((role) => all.map((situation) => [action, role, situation] as const)),
  )

  it('has every cell of the table', () => {
    expect(Object.keys(EXPECTED).sort()).toEqual(Object.keys(GROUP_RIGHTS).sort())
    expect(cells).toHaveLength(13 * 3 * 7)
  })

  it.each(cells)('%s by %s, %s', (action, role, situation) => {
    expect(mayInGroup(role, action, SITUATIONS[situation])).toBe(EXPECTED[action][role].includes(situation))
  })
})
