/** Shaped like pino's. Silent by default. Never gets message bodies, tokens or names. */
export interface Logger {
  debug(fields: object, message?: string): void
  info(fields: object, message?: string): void
  warn(fields: object, message?: string): void
  error(fields: object, message?: string): void
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }
