import { storageContract } from '@innerline/server-core/contract'
import { mysqlHarness } from './support/mysql-harness.js'
import { testServers } from './support/servers.js'

for (const { name, uri } of testServers) storageContract(name, () => mysqlHarness(uri))
