import type { UserProfile } from '@innerline/protocol'

/** The host's people. Optional: without it names are ids and searching answers `UNSUPPORTED`. */
export interface UserDirectory {
  /** Profiles of these users; unknown ones are left out. */
  profiles(userIds: readonly string[]): Promise<readonly UserProfile[]>
  /** People matching a text, for a "new chat" box. Absent = cannot search. */
  search?(text: string, limit: number): Promise<readonly UserProfile[]>
}
