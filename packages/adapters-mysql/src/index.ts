export type { HostPool } from './borrowed-pool.js'
export { type Migration, migrations, sqlFileOf } from './migrations/index.js'
export { mysqlStorage } from './mysql-storage.js'
export type { MysqlStorageOptions } from './options.js'
