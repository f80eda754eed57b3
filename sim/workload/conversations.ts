import { directConversationId, groupConversationId, serviceConversationId } from '@innerline/protocol'
import type { World } from '../world/world.js'

/** A conversation that the workload uses. */
export interface Place {
  readonly conversationId: string
  readonly members: readonly string[]
}

/**
 * Draws who talks with whom: direct chats, which begin with their first message, and service sessions and groups with members that stay,
 * opened as the host would. Joining and leaving belong here, too, once use cases move members.
 */
export async function openPlaces(world: World): Promise<readonly Place[]> {
  const { users, database, scheduler } = world
  const random = world.random.fork('conversations')
  const places: Place[] = []
  const pairs = users.flatMap((a, i) => users.slice(i + 1).map((b) => [a, b] as const))
  for (const [a, b] of random.shuffled(pairs).slice(0, Math.max(1, users.length))) {
    places.push({ conversationId: directConversationId(a, b), members: [a, b] })
  }
  const open = async (conversationId: string, chatType: 'group' | 'service', members: readonly string[]): Promise<void> => {
    places.push({ conversationId, members })
    await database.admin.openConversation({ conversationId, chatType, userIds: members, nodeId: 'host', now: Math.floor(world.wallNow()) })
  }
  if (random.chance(0.5)) await open(serviceConversationId('desk'), 'service', random.shuffled(users).slice(0, 2))
  if (random.chance(0.5))
    await open(groupConversationId('team'), 'group', random.shuffled(users).slice(0, 2 + random.int(users.length - 1)))
  await scheduler.run(scheduler.now)
  return places
}
