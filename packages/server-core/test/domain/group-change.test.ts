import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Group, GroupMember, GroupRole } from '../../src/domain/group.js'
import { decideGroupChange, type GroupRequest, type GroupSituation } from '../../src/domain/group-change.js'

const group: Group = {
  ...{
    groupId: 'g1',
    conversationId: 'g~g1',
    ownerId: 'olga',
    name: 'Team',
    memberCount: 4,
    memberVersion: 7,
    dissolved: false,
    createdAt: 1,
  },
  ...{ invitePolicy: 'admin', joinPolicy: 'invite', historyForNewMembers: 'none' },
}
const rows: readonly GroupMember[] = [
  { userId: 'olga', role: 'owner', present: true },
  { userId: 'adam', role: 'admin', present: true },
  { userId: 'anna', role: 'admin', present: true },
  { userId: 'mike', role: 'member', present: true },
  { userId: 'gone', role: 'member', present: false },
]
const members = new Map(rows.map((row) => [row.userId, row]))

function as(actorId: string, request: GroupRequest, changed: Partial<Group> = {}, maxMembers = 10) {
  const situation: GroupSituation = { group: { ...group, ...changed }, actor: members.get(actorId), actorId, targets: members, maxMembers }
  return decideGroupChange(situation, request)
}
const code = (decision: ReturnType<typeof as>): string =>
  decision.ok ? (decision.change === undefined ? 'nothing' : decision.change.event) : decision.code

describe('a change of a group', () => {
  it.each<[string, string, GroupRequest, string]>([
    ['the owner adds', 'olga', { type: 'add', userIds: ['new', 'gone'] }, 'member.joined'],
    ['a member adds where admins invite', 'mike', { type: 'add', userIds: ['new'] }, 'FORBIDDEN'],
    ['who is in is not added again', 'olga', { type: 'add', userIds: ['mike', 'adam'] }, 'nothing'],
    ['an admin removes a member', 'adam', { type: 'remove', userId: 'mike' }, 'member.removed'],
    ['an admin removes an admin', 'adam', { type: 'remove', userId: 'anna' }, 'FORBIDDEN'],
    ['an admin removes the owner', 'adam', { type: 'remove', userId: 'olga' }, 'FORBIDDEN'],
    ['the owner removes an admin', 'olga', { type: 'remove', userId: 'adam' }, 'member.removed'],
    ['who is not in cannot be removed', 'olga', { type: 'remove', userId: 'gone' }, 'NOT_FOUND'],
    ['removing oneself is leaving', 'mike', { type: 'remove', userId: 'mike' }, 'member.left'],
    ['the owner cannot remove herself', 'olga', { type: 'remove', userId: 'olga' }, 'STATE_CONFLICT'],
    ['a member leaves', 'mike', { type: 'leave' }, 'member.left'],
    ['the owner leaves', 'olga', { type: 'leave' }, 'STATE_CONFLICT'],
    ['the owner makes an admin', 'olga', { type: 'set-role', userId: 'mike', role: 'admin' }, 'role.changed'],
    ['the same role again', 'olga', { type: 'set-role', userId: 'mike', role: 'member' }, 'nothing'],
    ['the owner’s own role', 'olga', { type: 'set-role', userId: 'olga', role: 'admin' }, 'INVALID_REQUEST'],
    ['an admin sets a role', 'adam', { type: 'set-role', userId: 'mike', role: 'admin' }, 'FORBIDDEN'],
    ['the owner hands over', 'olga', { type: 'transfer', userId: 'mike' }, 'owner.changed'],
    ['to herself', 'olga', { type: 'transfer', userId: 'olga' }, 'INVALID_REQUEST'],
    ['to somebody who left', 'olga', { type: 'transfer', userId: 'gone' }, 'NOT_FOUND'],
    ['an admin mutes a member', 'adam', { type: 'mute', userId: 'mike', until: 9 }, 'member.muted'],
    ['an admin mutes an admin', 'adam', { type: 'mute', userId: 'anna', until: 9 }, 'FORBIDDEN'],
    ['who is not muted is unmuted', 'adam', { type: 'mute', userId: 'mike', until: undefined }, 'nothing'],
    ['an admin mutes all', 'adam', { type: 'mute-all', until: 9 }, 'group.muted'],
    ['a member mutes all', 'mike', { type: 'mute-all', until: 9 }, 'FORBIDDEN'],
    ['an admin edits', 'adam', { type: 'update', info: { name: 'New' } }, 'group.updated'],
    ['to what it is', 'adam', { type: 'update', info: { name: 'Team' } }, 'nothing'],
    ['an announcement that was not there is taken away', 'adam', { type: 'update', info: { announcement: undefined } }, 'nothing'],
    ['the owner dissolves', 'olga', { type: 'dissolve' }, 'group.dissolved'],
    ['an admin dissolves', 'adam', { type: 'dissolve' }, 'FORBIDDEN'],
  ])('%s', (_, actor, request, expected) => {
    expect(code(as(actor, request))).toBe(expected)
  })

  const requests: readonly GroupRequest[] = [
    { type: 'add', userIds: ['new'] },
    { type: 'remove', userId: 'mike' },
    { type: 'leave' },
    { type: 'set-role', userId: 'mike', role: 'admin' },
    { type: 'transfer', userId: 'mike' },
    { type: 'mute', userId: 'mike', until: 9 },
    { type: 'mute-all', until: 9 },
    { type: 'update', info: { name: 'New' } },
    { type: 'dissolve' },
  ]
  it.each(requests)('is NOT_FOUND for strangers and past members, as of a group that is not there: %o', (request) => {
    for (const actor of ['nobody', 'gone']) {
      expect(as(actor, request)).toEqual({ ok: false, code: 'NOT_FOUND' })
      expect(as(actor, request, { dissolved: true })).toEqual({ ok: false, code: 'NOT_FOUND' })
    }
  })

  it.each(requests)('is refused once the group is dissolved: %o', (request) => {
    expect(code(as('olga', request, { dissolved: true }))).toBe(request.type === 'dissolve' ? 'nothing' : 'STATE_CONFLICT')
  })

  it('counts whom it adds once, and nobody beyond the limit', () => {
    const add = (userIds: readonly string[], max: number) => code(as('olga', { type: 'add', userIds }, {}, max))
    expect(add(['a', 'b', 'a', 'mike'], 6)).toBe('member.joined')
    expect(add(['a', 'b'], 5)).toBe('GROUP_FULL')
    expect(add(['mike'], 4)).toBe('nothing')
  })

  it('lets in by policy: at once where it is open, after approval by who may, else as if there were no group', () => {
    const join = (actor: string, approved: boolean, joinPolicy: Group['joinPolicy']) =>
      code(as(actor, { type: 'join', userId: 'new', approved }, { joinPolicy }))
    expect(join('new', false, 'open')).toBe('member.joined')
    expect(join('new', false, 'approve')).toBe('NOT_FOUND')
    expect(join('new', false, 'invite')).toBe('NOT_FOUND')
    expect(join('adam', true, 'approve')).toBe('member.joined')
    expect(join('mike', true, 'approve')).toBe('FORBIDDEN')
    expect(join('gone', true, 'approve')).toBe('NOT_FOUND')
  })

  it('leaves exactly one owner, and a count that is true, whatever is asked in whatever order', () => {
    const ids = ['a', 'b', 'c', 'd'] as const
    const id = fc.constantFrom(...ids)
    const until = fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined })
    const request: fc.Arbitrary<GroupRequest> = fc.oneof(
      fc.record({ type: fc.constant('add' as const), userIds: fc.array(id, { minLength: 1, maxLength: 3 }) }),
      fc.record({ type: fc.constant('join' as const), userId: id, approved: fc.boolean() }),
      fc.record({ type: fc.constant('remove' as const), userId: id }),
      fc.record({ type: fc.constant('leave' as const) }),
      fc.record({ type: fc.constant('set-role' as const), userId: id, role: fc.constantFrom('admin' as const, 'member' as const) }),
      fc.record({ type: fc.constant('transfer' as const), userId: id }),
      fc.record({ type: fc.constant('mute' as const), userId: id, until }),
    )
    fc.assert(
      fc.property(
        fc.array(fc.tuple(id, request), { maxLength: 60 }),
        fc.constantFrom('open' as const, 'approve' as const),
        (steps, joinPolicy) => {
          const state = new Map<string, GroupMember>([['a', { userId: 'a', role: 'owner', present: true }]])
          let ownerId = 'a'
          for (const [actorId, asked] of steps) {
            const memberCount = [...state.values()].filter((row) => row.present).length
            const now = { ...group, ownerId, memberCount, joinPolicy }
            const decision = decideGroupChange({ group: now, actor: state.get(actorId), actorId, targets: state, maxMembers: 3 }, asked)
            if (!decision.ok || decision.change === undefined) continue
            ownerId = decision.change.ownerId ?? ownerId
            for (const member of decision.change.members) apply(state, member)
            const present = [...state.values()].filter((row) => row.present)
            expect(present.filter((row) => row.role === 'owner').map((row) => row.userId)).toEqual([ownerId])
            expect(present.length).toBeLessThanOrEqual(3)
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

/** What a storage does with a member's change: who returns begins anew as an ordinary member. */
function apply(
  state: Map<string, GroupMember>,
  member: { userId: string; type: string; role?: GroupRole; until?: number | undefined },
): void {
  const known = state.get(member.userId)
  if (member.type === 'join') state.set(member.userId, { userId: member.userId, role: 'member', present: true })
  else if (known === undefined) throw new Error('a change of nobody')
  else if (member.type === 'leave') state.set(member.userId, { ...known, present: false, role: 'member' })
  else if (member.type === 'role') state.set(member.userId, { ...known, role: member.role as GroupRole })
  else state.set(member.userId, { ...known, mutedUntil: member.until })
}
