import type { UserType } from '@innerline/protocol'

/**
 * Who is connected, where. Serves presence, kicks and operators; never decides delivery, push or durability. Entries
 * count only while their node's lease lives, so a killed node's users are offline within the lease (15 s).
 */
export interface Presence {
  /** Takes this node's lease. Idempotent. */
  start(node: { readonly nodeId: string }): Promise<void>
  /** Gives up the lease and all entries of this node. Idempotent. */
  close(): Promise<void>
  /** Adds a connection of this node. */
  add(connection: PresentConnection): Promise<void>
  /** Removes a connection of this node; unknown ones are ignored. */
  remove(connection: { readonly userId: string; readonly connectionId: string }): Promise<void>
  /** Live connections of a user on all nodes, oldest first. */
  connections(userId: string): Promise<readonly (PresentConnection & { readonly nodeId: string })[]>
  /** For each user whether any connection lives, and when the last one ended if that is known. Aligned. */
  online(userIds: readonly string[]): Promise<readonly { readonly online: boolean; readonly lastSeen?: number | undefined }[]>
  /** Users of a type with a live connection, in id order, at most `limit`. */
  onlineUsers(userType: UserType, limit: number): Promise<readonly string[]>
}

export interface PresentConnection {
  readonly connectionId: string
  readonly userId: string
  readonly userType: UserType
  readonly deviceId?: string | undefined
  readonly connectedAt: number
}
