import type { Connection } from './connection.js'

/**
 * Attaches a connection again. Until that succeeds it is tried again, as the connection would have a hole; once any has succeeded no try is
 * left over: nobody would have been told of the hole that it leaves when it fails half-way.
 */
export function attachAgain(connection: Connection): void {
  const { clock, ids, logger } = connection.host.context
  const done = (): void => {
    connection.cancelAttach?.()
    connection.cancelAttach = undefined
  }
  connection.host.attach(connection).then(done, (error: unknown) => {
    logger.warn({ err: error, connectionId: connection.id }, 'a connection could not be attached again')
    done()
    connection.cancelAttach = clock.after(500 + ids.random() * 1_500, () => connection.reattach())
  })
}
