import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { TcpWebSocket } from './tcp-web-socket.js'

/** Two users who talk all the while others misbehave, and notice nothing. */
export class HealthyPair {
  readonly #a: TcpWebSocket
  readonly #b: TcpWebSocket
  readonly #sentAt = new Map<string, number>()
  #talking = true
  #done: Promise<void>
  /** Longest time from a SEND to the peer's MESSAGE, ms. */
  slowest = 0

  private constructor(a: TcpWebSocket, b: TcpWebSocket, userB: string) {
    this.#a = a
    this.#b = b
    this.#done = this.#talk(userB)
  }

  static async start(port: number, userA: string, userB: string): Promise<HealthyPair> {
    return new HealthyPair(await TcpWebSocket.connected(port, userA), await TcpWebSocket.connected(port, userB), userB)
  }

  /** Stops talking; resolves with what went wrong, '' when nothing did. */
  async stop(): Promise<string> {
    this.#talking = false
    await this.#done
    const sent = [...this.#sentAt.keys()]
    const faults: string[] = []
    for (const [name, client] of [
      ['sender', this.#a],
      ['receiver', this.#b],
    ] as const) {
      if (client.hasEnded) faults.push(`the ${name}'s connection ended with ${client.closeCode}`)
      if (client.bodies('errors').length > 0) faults.push(`the ${name} was refused: ${JSON.stringify(client.bodies('errors')[0])}`)
      const got = client.bodies('messages') as readonly { readonly msgId: string; readonly seq: number }[]
      if (got.map(({ msgId }) => msgId).join() !== sent.join()) faults.push(`the ${name} got ${got.length} of ${sent.length} messages`)
      if (got.some(({ seq }, i) => seq !== i + 1)) faults.push(`the ${name} got them out of order`)
    }
    if (sent.length === 0) faults.push('nothing was said')
    this.#a.end()
    this.#b.end()
    return faults.join('; ')
  }

  async #talk(userB: string): Promise<void> {
    while (this.#talking && !this.#a.hasEnded && !this.#b.hasEnded) {
      const msgId = randomUUID()
      const before = this.#b.frames.length
      const at = performance.now()
      this.#sentAt.set(msgId, at)
      this.#a.stomp(
        'SEND',
        [['destination', '/app/chat.sendMessage']],
        JSON.stringify({ msgId, toUserId: userB, body: { type: 'text', text: 'hi' } }),
      )
      while (this.#b.frames.length === before && performance.now() - at < 10_000 && !this.#b.hasEnded) await pause(2)
      this.slowest = Math.max(this.slowest, performance.now() - at)
      // Below the limit of sends a second.
      await pause(120)
    }
    await pause(200)
  }
}
