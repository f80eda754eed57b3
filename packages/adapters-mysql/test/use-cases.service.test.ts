import { useCases } from '@innerline/server-core/use-cases'
import { testServers } from './support/servers.js'
import { mysqlBackend } from './support/use-case-backend.js'

for (const { name, uri } of testServers) useCases(name, () => mysqlBackend(uri))
