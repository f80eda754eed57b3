/** Whom a message goes to. */
export type Target = { readonly user: string } | { readonly room: string }

/** One user's connection to a contender, speaking that contender's own wire. */
export interface BenchClient {
  readonly userId: string
  /** Sends a message whose text carries `n`; the server answers each, in order. */
  send(target: Target, n: number): void
  /** Tells the server that the delivered message `bytes[start, end)` is here and read. */
  acknowledge(bytes: Buffer, start: number, end: number): void
  close(): void
}

export interface ClientListener {
  /** The server has answered this client's oldest unanswered message. */
  accepted(client: BenchClient): void
  /** A message has arrived, own copies included. {@link numberOf} reads its number; the bytes are gone when this returns. */
  delivered(client: BenchClient, bytes: Buffer, start: number, end: number): void
  /** Something that must not happen: a refusal, a lost connection. */
  failed(reason: string): void
}

export interface Login {
  readonly port: number
  readonly userId: string
  /** Join this room too, where joining is the client's part. */
  readonly room?: string | undefined
  readonly listener: ClientListener
}

/** Resolves when the user is logged in and would miss no message any more. */
export type ConnectClient = (login: Login) => Promise<BenchClient>

const MARK = '<#'
const PADDING = 'The quick brown fox jumps over the lazy dog; pack my box with five dozen liquor jugs. '.repeat(3)
const TEXT_LENGTH = 200

/** A text of 200 bytes with a number in it. */
export const textOf = (n: number): string => `${MARK}${n}>${PADDING}`.slice(0, TEXT_LENGTH)

/** The number in the text of a delivered message. */
export function numberOf(bytes: Buffer, start: number, end: number): number {
  const at = bytes.indexOf(MARK, start, 'latin1')
  if (at < 0 || at >= end) throw new Error('a message came without its number')
  let n = 0
  for (let i = at + MARK.length; ; i++) {
    const digit = (bytes[i] as number) - 48
    if (digit < 0 || digit > 9) return n
    n = n * 10 + digit
  }
}

/** Connects all, `atOnce` at a time. */
export async function connectAll(connect: ConnectClient, logins: readonly Login[], atOnce = 100): Promise<BenchClient[]> {
  const clients: BenchClient[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let i = next++; i < logins.length; i = next++) clients[i] = await connect(logins[i] as Login)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, logins.length) }, worker))
  return clients
}
