import { scryptSync } from 'node:crypto'

/** A password in the stored form at next to no cost, so that tests spend their time elsewhere. */
export function cheapHash(password: string, { ln = 4, r = 1, p = 1 } = {}): string {
  const salt = Buffer.alloc(16, 7)
  const key = scryptSync(password, salt, 32, { N: 2 ** ln, r, p })
  return `$scrypt$ln=${ln},r=${r},p=${p}$${salt.toString('base64url')}$${key.toString('base64url')}`
}
