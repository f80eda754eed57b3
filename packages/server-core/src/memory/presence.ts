import type { Cancel, Clock } from '@innerline/protocol'
import type { Presence, PresentConnection } from '../ports/presence.js'

const LEASE_MS = 15_000
const RENEW_MS = 5_000
/** Users whose last sight is remembered; the longest gone are forgotten first. */
const MAX_LAST_SEEN = 100_000

type Placed = PresentConnection & { readonly nodeId: string }

/** What the memory presences of one process share. Leases are judged by its clock. */
export class PresenceTable {
  readonly leases = new Map<string, number>()
  readonly byUser = new Map<string, Map<string, Placed>>()
  readonly lastSeen = new Map<string, number>()

  constructor(readonly clock: Clock) {}

  /** The user's connections on nodes whose lease lives. */
  live(userId: string): Placed[] {
    const now = this.clock.monotonic()
    return [...(this.byUser.get(userId)?.values() ?? [])].filter((placed) => (this.leases.get(placed.nodeId) ?? 0) > now)
  }

  drop(userId: string, connectionId: string): void {
    const placed = this.byUser.get(userId)
    if (placed?.delete(connectionId) !== true || placed.size > 0) return
    this.byUser.delete(userId)
    this.lastSeen.delete(userId)
    this.lastSeen.set(userId, this.clock.now())
    if (this.lastSeen.size > MAX_LAST_SEEN) this.lastSeen.delete(this.lastSeen.keys().next().value as string)
  }

  /** Forgets what dead nodes have left behind. */
  sweep(): void {
    const now = this.clock.monotonic()
    for (const [nodeId, expiresAt] of this.leases) {
      if (expiresAt > now) continue
      this.leases.delete(nodeId)
      for (const [userId, placed] of this.byUser) {
        for (const [connectionId, connection] of placed) if (connection.nodeId === nodeId) placed.delete(connectionId)
        if (placed.size === 0) this.byUser.delete(userId)
      }
    }
  }
}

export interface MemoryPresenceOptions {
  readonly clock: Clock
  /** Shared with other nodes of this process; own by default. */
  readonly table?: PresenceTable | undefined
}

/** A {@link Presence} in this process's memory. */
export function memoryPresence({ clock, table = new PresenceTable(clock) }: MemoryPresenceOptions): Presence {
  const own = new Map<string, Placed>()
  let nodeId = ''
  let cancel: Cancel | undefined

  const renew = (): void => {
    const lapsed = !table.leases.has(nodeId)
    table.leases.set(nodeId, table.clock.monotonic() + LEASE_MS)
    // A node that slept past its lease was swept; its connections may be alive all the same.
    if (lapsed) for (const placed of own.values()) place(placed)
    table.sweep()
    cancel = clock.after(RENEW_MS, renew)
  }
  const place = (placed: Placed): void => {
    const connections = table.byUser.get(placed.userId)
    if (connections === undefined) table.byUser.set(placed.userId, new Map([[placed.connectionId, placed]]))
    else connections.set(placed.connectionId, placed)
  }

  return {
    async start(node) {
      if (cancel !== undefined) return
      nodeId = node.nodeId
      renew()
    },
    async close() {
      cancel?.()
      cancel = undefined
      for (const placed of own.values()) table.drop(placed.userId, placed.connectionId)
      own.clear()
      table.leases.delete(nodeId)
    },
    async add(connection) {
      const { connectionId, userId, userType, deviceId, connectedAt } = connection
      const placed: Placed = { connectionId, userId, userType, deviceId, connectedAt, nodeId }
      own.set(connectionId, placed)
      place(placed)
    },
    async remove({ userId, connectionId }) {
      if (own.get(connectionId)?.userId !== userId) return
      own.delete(connectionId)
      table.drop(userId, connectionId)
    },
    async connections(userId) {
      return table
        .live(userId)
        .sort((a, b) => a.connectedAt - b.connectedAt || (a.connectionId < b.connectionId ? -1 : 1))
        .map((placed) => ({ ...placed }))
    },
    async online(userIds) {
      return userIds.map((userId) =>
        table.live(userId).length > 0 ? { online: true } : { online: false, lastSeen: table.lastSeen.get(userId) },
      )
    },
    async onlineUsers(userType, limit) {
      return [...table.byUser.keys()]
        .filter((userId) => table.live(userId).some((placed) => placed.userType === userType))
        .sort()
        .slice(0, limit)
    },
  }
}
