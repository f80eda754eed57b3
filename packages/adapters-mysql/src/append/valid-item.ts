import type { AppendItem, AppendResult } from '@innerline/server-core'
import { isHash, isStorableId, isUuid } from '../sql.js'

const MAX_BODY_BYTES = 1 << 23
const MAX_PREVIEW_BYTES = 800

/** What this schema cannot hold, refused by itself: it must not fail the batch it travels in. Undefined when all is well. */
export function refusalOf(item: AppendItem): AppendResult | undefined {
  const reason = reasonOf(item)
  return reason === undefined ? undefined : { ok: false, code: 'INVALID_REQUEST', detail: reason }
}

function reasonOf({ msgId, fromUserId, replyTo, target, hash, kind, bodyJson, preview }: AppendItem): string | undefined {
  if (!isUuid(msgId)) return 'The msgId is not a UUID in lower case.'
  if ((replyTo !== undefined && !isUuid(replyTo)) || (target !== undefined && !isUuid(target))) return 'An entry is named by a UUID.'
  if (!isStorableId(fromUserId)) return 'The sender is no user id.'
  if (!isHash(hash)) return 'The fingerprint has not 32 hexadecimal digits.'
  if (kind.length > 8) return 'The kind is not known.'
  // Three bytes a UTF-16 unit at most, so that most bodies need not be measured.
  if (bodyJson.length * 3 > MAX_BODY_BYTES && Buffer.byteLength(bodyJson) > MAX_BODY_BYTES) return 'The body is too large.'
  if (preview.length * 3 > MAX_PREVIEW_BYTES && Buffer.byteLength(preview) > MAX_PREVIEW_BYTES) return 'The preview is too long.'
  return undefined
}
