import type { UserProfile } from '@innerline/protocol'

/** The fields of a profile and no others: a host may hand out its own rows, with what else they hold. */
export const profileOf = ({ userId, userType, displayName, avatar }: UserProfile): UserProfile =>
  avatar === undefined || avatar === null ? { userId, userType, displayName } : { userId, userType, displayName, avatar }
