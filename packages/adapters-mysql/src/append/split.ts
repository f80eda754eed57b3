import type { AppendItem } from '@innerline/server-core'

/** Bytes of an item's row besides its body. */
const ROW_BYTES = 1_200

/** Cuts a batch where its statements would exceed what the server takes in one packet; bodies travel as hexadecimal. */
export function splitByBytes(indexes: readonly number[], itemAt: (index: number) => AppendItem, maxBytes: number): number[][] {
  const parts: number[][] = []
  let part: number[] = []
  let bytes = 0
  for (const index of indexes) {
    const size = ROW_BYTES + 2 * Buffer.byteLength(itemAt(index).bodyJson)
    if (part.length > 0 && bytes + size > maxBytes) {
      parts.push(part)
      part = []
      bytes = 0
    }
    part.push(index)
    bytes += size
  }
  if (part.length > 0) parts.push(part)
  return parts
}
