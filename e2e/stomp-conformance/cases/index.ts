import type { ConformanceCase } from '../case.js'
import { acknowledgementCases } from './acknowledgements.js'
import { bodyCases } from './bodies.js'
import { connectCases } from './connect.js'
import { framingCases } from './framing.js'
import { headerCases } from './headers.js'
import { heartbeatCases } from './heartbeats.js'
import { limitCases } from './limits.js'
import { receiptCases } from './receipts.js'
import { subscriptionCases } from './subscriptions.js'
import { transactionCases } from './transactions.js'

/** All cases, by concern. Which of them say anything about a server, its profile decides (`applies`). */
export const conformanceCases: readonly ConformanceCase[] = [
  ...connectCases,
  ...heartbeatCases,
  ...headerCases,
  ...bodyCases,
  ...framingCases,
  ...limitCases,
  ...receiptCases,
  ...subscriptionCases,
  ...acknowledgementCases,
  ...transactionCases,
]
