import { unreadBadgesContract } from '../../src/contract/index.js'
import { memoryUnreadBadges } from '../../src/memory/unread-badges.js'
import { TestClock } from '../support/test-clock.js'
import { TestIds } from '../support/test-ids.js'

unreadBadgesContract('memory', async () => {
  const clock = new TestClock()
  const badges = memoryUnreadBadges({ clock })
  return { clock, ids: new TestIds(), badges, advance: (ms) => clock.advance(ms), dispose: () => badges.close() }
})
