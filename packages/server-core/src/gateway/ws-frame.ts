const FIN_TEXT = 0x81
const FIN_BINARY = 0x82

/**
 * One unmasked, unfragmented server frame (RFC 6455 §5.2) around `text`. Made by hand so that a message's frame is
 * built once for all its sockets, in one allocation; the library would build it anew per send.
 */
export function wsFrame(text: string, binary: boolean): Uint8Array {
  const length = Buffer.byteLength(text)
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame[0] = binary ? FIN_BINARY : FIN_TEXT
  if (headerLength === 2) {
    frame[1] = length
  } else if (headerLength === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  // As many bytes as code units means ASCII alone, which is copied faster.
  frame.write(text, headerLength, length === text.length ? 'latin1' : 'utf8')
  return frame
}
