/** Where the tests' servers are: set by the service runner or by hand. One run per server that is named. */
export interface TestServer {
  readonly name: string
  readonly uri: string
}

export const testServers: readonly TestServer[] = [
  { name: 'MariaDB', uri: process.env['MARIADB_URL'] },
  { name: 'MySQL 9', uri: process.env['MYSQL9_URL'] },
  { name: 'MYSQL_URL', uri: process.env['MYSQL_URL'] },
].flatMap(({ name, uri }, index, all) =>
  uri === undefined || uri === '' || all.findIndex((other) => other.uri === uri) < index ? [] : [{ name, uri }],
)
