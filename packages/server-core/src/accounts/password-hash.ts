import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { HashGate } from './hash-gate.js'

const LOG2_COST = 15
const BLOCK_SIZE = 8
const PARALLEL = 1
const SALT_BYTES = 16
const KEY_BYTES = 32
/** 32 MiB is what the parameters above take, and Node's own limit to the byte; twice as much leaves room for its bookkeeping. */
const MAX_MEMORY = 64 * 1024 * 1024

/** The form of a stored hash: PHC string with its parameters, so that they can be raised without a migration. */
const STORED = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w-]{16,128})\$([\w-]{32,128})$/

interface Parameters {
  readonly log2Cost: number
  readonly blockSize: number
  readonly parallel: number
  readonly salt: Uint8Array
  readonly key: Uint8Array
}

/**
 * Passwords as scrypt hashes. At most 2 are computed at once and 64 wait; then `BUSY`. Two, as the system's pool has four threads, which
 * the host's file and name look-ups need too.
 */
export class PasswordHashes {
  readonly #gate = new HashGate({ running: 2, waiting: 64 })
  /** Compared with when there is no user: random, so that it fits no password. */
  readonly #nobody: Parameters = {
    log2Cost: LOG2_COST,
    blockSize: BLOCK_SIZE,
    parallel: PARALLEL,
    salt: randomBytes(SALT_BYTES),
    key: randomBytes(KEY_BYTES),
  }

  /** The string to store for a password. */
  async create(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES)
    const key = await this.#derive(password, { log2Cost: LOG2_COST, blockSize: BLOCK_SIZE, parallel: PARALLEL, salt }, KEY_BYTES)
    return `$scrypt$ln=${LOG2_COST},r=${BLOCK_SIZE},p=${PARALLEL}$${salt.toString('base64url')}$${key.toString('base64url')}`
  }

  /**
   * Whether the password is the stored one. Takes the same time for no stored hash, and for one that cannot be read,
   * as for a wrong password: names must not be found out by the clock.
   */
  async matches(password: string, stored: string | undefined): Promise<boolean> {
    const expected = (stored === undefined ? undefined : parse(stored)) ?? this.#nobody
    const key = await this.#derive(password, expected, expected.key.length)
    return timingSafeEqual(key, expected.key)
  }

  #derive(password: string, { log2Cost, blockSize, parallel, salt }: Omit<Parameters, 'key'>, bytes: number): Promise<Buffer> {
    const options: ScryptOptions = { N: 2 ** log2Cost, r: blockSize, p: parallel, maxmem: MAX_MEMORY }
    // The same characters may be typed composed or decomposed, by keyboard and system.
    const text = password.normalize('NFKC')
    return this.#gate.run(
      () =>
        new Promise((resolve, reject) => {
          scrypt(text, salt, bytes, options, (error, key) => (error === null ? resolve(key) : reject(error)))
        }),
    )
  }
}

/** Takes a stored hash apart; undefined when it is none or asks for more than we are ready to spend. */
function parse(stored: string): Parameters | undefined {
  const [, ln, r, p, salt, key] = STORED.exec(stored) ?? []
  if (ln === undefined || r === undefined || p === undefined || salt === undefined || key === undefined) return undefined
  const parameters = {
    log2Cost: Number(ln),
    blockSize: Number(r),
    parallel: Number(p),
    salt: Buffer.from(salt, 'base64url'),
    key: Buffer.from(key, 'base64url'),
  }
  const { log2Cost, blockSize, parallel } = parameters
  const affordable =
    log2Cost >= 1 && blockSize >= 1 && parallel >= 1 && parallel <= 4 && 128 * blockSize * (2 ** log2Cost + parallel) < MAX_MEMORY
  return affordable ? parameters : undefined
}
