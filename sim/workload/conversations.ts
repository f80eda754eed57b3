import { directConversationId, groupConversationId, serviceConversationId } from '@innerline/protocol'
import type { Random } from '../core/random.js'
import type { World } from '../world/world.js'

/** A conversation that the workload uses. */
export interface Place {
  readonly conversationId: string
  readonly members: readonly string[]
}

/**
 * Who talks with whom: direct chats, which begin with their first message, and service sessions and groups with members that stay, opened as
 * the host would. Joining and leaving belong here, too, once use cases move members.
 */
export class Places {
  readonly all: Place[] = []
  readonly #world: World
  readonly #random: Random
  #opened = 0

  constructor(world: World) {
    this.#world = world
    this.#random = world.random.fork('conversations')
    const { users } = world
    const pairs = users.flatMap((a, i) => users.slice(i + 1).map((b) => [a, b] as const))
    for (const [a, b] of this.#random.shuffled(pairs).slice(0, Math.max(1, users.length))) {
      this.all.push({ conversationId: directConversationId(a, b), members: [a, b] })
    }
    for (let i = 0; i < 2; i++) if (this.#random.chance(0.5)) this.open()
  }

  /** Opens one more; it may be written to at once. */
  open(): Place {
    const { users, database, trace } = this.#world
    const random = this.#random
    const chatType = random.pick(['service', 'group'] as const)
    const id = `${chatType === 'group' ? 'team' : 'desk'}${++this.#opened}`
    const conversationId = chatType === 'group' ? groupConversationId(id) : serviceConversationId(id)
    const members = random.shuffled(users).slice(0, chatType === 'service' ? 2 : 2 + random.int(users.length - 1))
    const place = { conversationId, members }
    this.all.push(place)
    trace.line('host', () => `opens ${conversationId} for ${members.join(', ')}`)
    void database.admin.openConversation({ conversationId, chatType, userIds: members, nodeId: 'host', now: this.#world.wallNow() })
    return place
  }

  of(userId: string): readonly Place[] {
    return this.all.filter(({ members }) => members.includes(userId))
  }
}
