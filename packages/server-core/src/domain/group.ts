/** What a member may do in a group (CONTRACT "Groups"). */
export type GroupRole = 'owner' | 'admin' | 'member'

/** Who may add members. */
export type InvitePolicy = 'member' | 'admin'

/** How somebody comes in who was not invited: not at all, by asking, or at once. */
export type JoinPolicy = 'invite' | 'approve' | 'open'

/** What members see of the time before they joined. */
export type GroupHistory = 'none' | 'all'

/** What members may change of a group's description and rules. */
export interface GroupInfo {
  /** ≤ 64 characters. */
  readonly name: string
  readonly announcement?: string | undefined
  readonly invitePolicy: InvitePolicy
  readonly joinPolicy: JoinPolicy
  readonly historyForNewMembers: GroupHistory
}

/** A group as stored; who is in it and what was written is its conversation's. */
export interface Group extends GroupInfo {
  readonly groupId: string
  readonly conversationId: string
  readonly ownerId: string
  readonly memberCount: number
  readonly memberVersion: number
  /** Until when only the owner and admins may write; undefined when everybody may. */
  readonly mutedAllUntil?: number | undefined
  /** A dissolved group can be read by those who were in it and takes nothing more. */
  readonly dissolved: boolean
  readonly createdAt: number
}

/** A user's standing in a group. Absent for a stranger. */
export interface GroupMember {
  readonly userId: string
  readonly role: GroupRole
  /** Whether they are in it now; past members keep what they could read. */
  readonly present: boolean
  /** Until when they may not write. */
  readonly mutedUntil?: number | undefined
}
