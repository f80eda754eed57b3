import { isUserId } from '@innerline/protocol'
import type { Principal } from '../ports/index.js'

/**
 * Checks what a host's `authenticate` returned: ids are spliced into JSON, keys and channels unescaped, and a host without
 * TypeScript may well return a number. Throws TypeError.
 */
export function assertPrincipal(principal: Principal): void {
  if (typeof principal.userId !== 'string' || !isUserId(principal.userId)) {
    throw new TypeError('authenticate returned a userId that is not 1–64 of A–Z a–z 0–9 . _ @ | : + = -.')
  }
  if (!['user', 'agent', 'customer'].includes(principal.userType)) {
    throw new TypeError("authenticate returned a userType that is not 'user', 'agent' or 'customer'.")
  }
}
