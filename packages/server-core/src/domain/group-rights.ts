import type { GroupRole, InvitePolicy } from './group.js'

/** What somebody wants to do in a group. */
export type GroupAction =
  | 'send'
  | 'mention-all'
  | 'invite'
  | 'remove'
  | 'mute'
  | 'mute-all'
  | 'edit-info'
  | 'approve-join'
  | 'set-role'
  | 'transfer'
  | 'dissolve'
  | 'leave'
  | 'recall'

/**
 * Whether a role may do it: always, never, towards ordinary members only, where the group's policy gives it to everybody,
 * or with what is one's own.
 */
type Right = 'yes' | 'no' | 'to-members' | 'by-policy' | 'own'

/** The table of CONTRACT "Groups", cell by cell. The only place where a role means anything. */
export const GROUP_RIGHTS: Readonly<Record<GroupAction, Readonly<Record<GroupRole, Right>>>> = {
  send: { owner: 'yes', admin: 'yes', member: 'yes' },
  'mention-all': { owner: 'yes', admin: 'yes', member: 'no' },
  invite: { owner: 'yes', admin: 'yes', member: 'by-policy' },
  remove: { owner: 'yes', admin: 'to-members', member: 'no' },
  mute: { owner: 'yes', admin: 'to-members', member: 'no' },
  'mute-all': { owner: 'yes', admin: 'yes', member: 'no' },
  'edit-info': { owner: 'yes', admin: 'yes', member: 'no' },
  'approve-join': { owner: 'yes', admin: 'yes', member: 'no' },
  'set-role': { owner: 'yes', admin: 'no', member: 'no' },
  transfer: { owner: 'yes', admin: 'no', member: 'no' },
  dissolve: { owner: 'yes', admin: 'no', member: 'no' },
  leave: { owner: 'no', admin: 'yes', member: 'yes' },
  recall: { owner: 'yes', admin: 'to-members', member: 'own' },
}

/** Whom or what an action is about, as far as a right depends on it. */
export interface GroupTarget {
  /** Role of whom it is done to; a past member counts as an ordinary one. */
  readonly role?: GroupRole | undefined
  /** Whether it is done to oneself or one's own. */
  readonly self?: boolean | undefined
  readonly invitePolicy?: InvitePolicy | undefined
}

/** Whether a present member of this role may do it. Pure; being a member, muted or in time is asked elsewhere. */
export function mayInGroup(role: GroupRole, action: GroupAction, target: GroupTarget = {}): boolean {
  const right = GROUP_RIGHTS[action][role]
  if (right === 'yes') return true
  if (right === 'to-members') return target.self === true ? action === 'recall' : (target.role ?? 'member') === 'member'
  if (right === 'by-policy') return target.invitePolicy === 'member'
  return right === 'own' && target.self === true
}
