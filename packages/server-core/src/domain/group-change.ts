import type { ServerErrorCode } from '@innerline/protocol'
import type { Group, GroupInfo, GroupMember, GroupRole } from './group.js'
import { type GroupAction, mayInGroup } from './group-rights.js'

/** A change of a group that somebody asks for. */
export type GroupRequest =
  | { readonly type: 'add'; readonly userIds: readonly string[] }
  /** Without an invitation: by the group's policy, or because an admin has approved it. */
  | { readonly type: 'join'; readonly userId: string; readonly approved: boolean }
  | { readonly type: 'remove'; readonly userId: string }
  | { readonly type: 'leave' }
  | { readonly type: 'set-role'; readonly userId: string; readonly role: Exclude<GroupRole, 'owner'> }
  | { readonly type: 'transfer'; readonly userId: string }
  /** `until` undefined unmutes. */
  | { readonly type: 'mute'; readonly userId: string; readonly until: number | undefined }
  | { readonly type: 'mute-all'; readonly until: number | undefined }
  | { readonly type: 'update'; readonly info: Partial<GroupInfo> }
  | { readonly type: 'dissolve' }

/** The word a change has in the log and in `group` events (CONTRACT "Message", system bodies). */
export type GroupEvent =
  | 'member.joined'
  | 'member.left'
  | 'member.removed'
  | 'member.muted'
  | 'member.unmuted'
  | 'role.changed'
  | 'owner.changed'
  | 'group.muted'
  | 'group.unmuted'
  | 'group.updated'
  | 'group.dissolved'

/** What becomes of one member's row. */
export type MemberChange =
  | { readonly userId: string; readonly type: 'join' }
  | { readonly userId: string; readonly type: 'leave' }
  | { readonly userId: string; readonly type: 'role'; readonly role: GroupRole }
  | { readonly userId: string; readonly type: 'mute'; readonly until: number | undefined }

/** Everything a change writes, all in one transaction with its entry. */
export interface GroupChange {
  readonly members: readonly MemberChange[]
  readonly info?: Partial<GroupInfo> | undefined
  readonly ownerId?: string | undefined
  /** Absent: as it was. */
  readonly mutedAll?: { readonly until: number | undefined } | undefined
  readonly dissolved?: boolean | undefined
  readonly event: GroupEvent
  /** Whom the entry names. */
  readonly userIds: readonly string[]
}

export type GroupDecision =
  | { readonly ok: true; readonly change: GroupChange }
  /** Everything asked for is so already: nothing is written and nobody is told. */
  | { readonly ok: true; readonly change: undefined }
  | { readonly ok: false; readonly code: ServerErrorCode; readonly detail?: string }

export interface GroupSituation {
  readonly group: Group
  /** Who acts; undefined for a stranger. */
  readonly actor: GroupMember | undefined
  readonly actorId: string
  /** Rows, by user id, of those a request names, as far as they have one. */
  readonly targets: ReadonlyMap<string, GroupMember>
  readonly maxMembers: number
}

const unchanged = { ok: true, change: undefined } as const
const refuse = (code: ServerErrorCode, detail?: string): GroupDecision => ({ ok: false, code, ...(detail === undefined ? {} : { detail }) })
const change = (event: GroupEvent, userIds: readonly string[], rest: Partial<GroupChange> = {}): GroupDecision => ({
  ok: true,
  change: { members: [], ...rest, event, userIds },
})

/**
 * Decides a change under the group's lock. Pure, so that every storage decides alike and again when it retries.
 * A stranger is told `NOT_FOUND`, as of a group that does not exist.
 */
export function decideGroupChange(situation: GroupSituation, request: GroupRequest): GroupDecision {
  const { group, actor, actorId } = situation
  if (request.type === 'join') return decideJoin(situation, request)
  if (actor === undefined || !actor.present) return refuse('NOT_FOUND')
  if (group.dissolved)
    return request.type === 'dissolve' && mayInGroup(actor.role, 'dissolve')
      ? unchanged
      : refuse('STATE_CONFLICT', 'The group has been dissolved.')
  switch (request.type) {
    case 'add':
      if (!mayInGroup(actor.role, 'invite', group)) return refuse('FORBIDDEN')
      return decideJoining(situation, request.userIds)
    case 'remove':
      return request.userId === actorId ? decideLeave(actor) : decideTowards(situation, actor, 'remove', request.userId, removed)
    case 'leave':
      return decideLeave(actor)
    case 'set-role':
      return decideTowards(situation, actor, 'set-role', request.userId, (target) => newRole(target, request.role))
    case 'transfer':
      return decideTowards(situation, actor, 'transfer', request.userId, (target) => transferred(actorId, target))
    case 'mute':
      return decideTowards(situation, actor, 'mute', request.userId, (target) => muted(target, request.until))
    case 'mute-all':
      if (!mayInGroup(actor.role, 'mute-all')) return refuse('FORBIDDEN')
      if (request.until === group.mutedAllUntil) return unchanged
      return change(request.until === undefined ? 'group.unmuted' : 'group.muted', [], { mutedAll: { until: request.until } })
    case 'update':
      if (!mayInGroup(actor.role, 'edit-info')) return refuse('FORBIDDEN')
      return updated(group, request.info)
    case 'dissolve':
      return mayInGroup(actor.role, 'dissolve') ? change('group.dissolved', [], { dissolved: true }) : refuse('FORBIDDEN')
  }
}

function decideJoin(situation: GroupSituation, { userId, approved }: Extract<GroupRequest, { type: 'join' }>): GroupDecision {
  const { group } = situation
  if (group.dissolved) return refuse('NOT_FOUND')
  // Approved by somebody who may not, or may not any more.
  if (approved && !(situation.actor?.present === true && mayInGroup(situation.actor.role, 'approve-join'))) {
    return refuse(situation.actor?.present === true ? 'FORBIDDEN' : 'NOT_FOUND')
  }
  if (!approved && group.joinPolicy !== 'open') return refuse('NOT_FOUND')
  return decideJoining(situation, [userId])
}

function decideJoining({ group, targets, maxMembers }: GroupSituation, userIds: readonly string[]): GroupDecision {
  const joining = [...new Set(userIds)].filter((userId) => targets.get(userId)?.present !== true)
  if (joining.length === 0) return unchanged
  if (group.memberCount + joining.length > maxMembers) {
    return refuse('GROUP_FULL', `A group may have ${maxMembers} members; this one has ${group.memberCount}.`)
  }
  return change('member.joined', joining, { members: joining.map((userId) => ({ userId, type: 'join' })) })
}

function decideLeave(actor: GroupMember): GroupDecision {
  if (!mayInGroup(actor.role, 'leave')) {
    return refuse('STATE_CONFLICT', 'The owner can leave after handing the group over, or dissolve it.')
  }
  return change('member.left', [actor.userId], { members: [{ userId: actor.userId, type: 'leave' }] })
}

/** Something done to another present member. Rights come first: who may not do it learns nothing of the other. */
function decideTowards(
  { targets, actorId }: GroupSituation,
  actor: GroupMember,
  action: GroupAction,
  userId: string,
  decide: (target: GroupMember) => GroupDecision,
): GroupDecision {
  const target = targets.get(userId)
  if (!mayInGroup(actor.role, action, { role: target?.present === true ? target.role : 'member', self: userId === actorId })) {
    return refuse('FORBIDDEN')
  }
  if (target?.present !== true) return refuse('NOT_FOUND', 'There is no such member.')
  if (userId === actorId) return refuse('INVALID_REQUEST', 'This is done to another member, not to oneself.')
  return decide(target)
}

const removed = ({ userId }: GroupMember): GroupDecision => change('member.removed', [userId], { members: [{ userId, type: 'leave' }] })

const newRole = ({ userId, role: old }: GroupMember, role: GroupRole): GroupDecision =>
  old === role ? unchanged : change('role.changed', [userId], { members: [{ userId, type: 'role', role }] })

/** Who hands a group over stays in it as an admin. */
const transferred = (ownerId: string, { userId }: GroupMember): GroupDecision =>
  change('owner.changed', [userId], {
    ownerId: userId,
    members: [
      { userId: ownerId, type: 'role', role: 'admin' },
      { userId, type: 'role', role: 'owner' },
    ],
  })

const muted = ({ userId, mutedUntil }: GroupMember, until: number | undefined): GroupDecision =>
  until === mutedUntil
    ? unchanged
    : change(until === undefined ? 'member.unmuted' : 'member.muted', [userId], { members: [{ userId, type: 'mute', until }] })

function updated(group: Group, info: Partial<GroupInfo>): GroupDecision {
  const fields = Object.entries(info) as [keyof GroupInfo, string | undefined][]
  const news = fields.filter(([field, value]) => group[field] !== value)
  return news.length === 0 ? unchanged : change('group.updated', [], { info: Object.fromEntries(news) })
}
