import { ImError } from '@innerline/protocol'

/** Throws the one error of an adapter that is announced but not built: `UNSUPPORTED`, with what to use meanwhile. */
export function notBuiltYet(factory: string, meanwhile: string): never {
  throw new ImError('UNSUPPORTED', { detail: `@innerline/adapters-redis is not built yet: ${factory}() cannot be used. ${meanwhile}` })
}
