import { decodeFrame } from './delivery/index.js'
import type { Node } from './node.js'
import type { ResolvedOptions } from './options.js'
import type { Logger } from './ports/index.js'

/** Opens what a node is made of, in the order that misses nothing. Rejects with the sentence of the part that cannot open. */
export async function startNode(node: Node, { metrics }: Pick<ResolvedOptions, 'metrics'>): Promise<void> {
  const { storage, bus, presence, events, accounts, feedReader, feedKeeper, gateway, nodeId, epoch } = node
  await storage.start()
  bus.onMessage((_channel, bytes) => {
    if (!takeBusFrame(node, bytes)) metrics.count('im_foreign_bus_frames')
  })
  bus.onInterrupted(() => void feedReader.readNow())
  await bus.start()
  await presence.start({ nodeId })
  // From the feed's start position on nothing is missed, so it comes before anybody is let in.
  epoch.current = (await feedReader.start()).epoch
  await accounts?.ensureUsers()
  await events.start()
  feedKeeper.start()
  gateway.start()
}

/** Takes what another node has sent; false when it is not ours. */
export function takeBusFrame({ index, hints, epoch }: Pick<Node, 'index' | 'hints' | 'epoch'>, bytes: Uint8Array): boolean {
  const frame = decodeFrame(bytes)
  // Seqs of another epoch may be other entries here; whatever is in force comes by the feed, or with the next summary.
  if (frame === undefined || frame.epoch !== epoch.current) return frame !== undefined
  if (frame.kind === 'hint') hints.receive(frame.hint)
  else index.accept(frame.batch)
  return true
}

/** Cuts the sockets and finishes what has been accepted. */
export async function closeNode(node: Node, logger: Logger): Promise<void> {
  const { gateway, acknowledge, lanes, feedReader, feedKeeper, events, bus, presence, rateLimiter, badges, storage } = node
  gateway.close()
  // Answers may be lost with their sockets, commits are not.
  await lanes.idle()
  await acknowledge.flush()
  await feedKeeper.stop()
  await feedReader.stop()
  const closing = [events, bus, presence, rateLimiter, badges].map((port) => port.close())
  const outcomes = await Promise.allSettled(closing)
  await storage.close()
  for (const outcome of outcomes) if (outcome.status === 'rejected') logger.error({ err: outcome.reason }, 'a part did not close')
}
