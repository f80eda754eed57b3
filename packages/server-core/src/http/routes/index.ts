import type { Route } from '../route.js'
import { authRoutes } from './auth.js'
import { conversationRoutes } from './conversations.js'
import { historyRoutes } from './history.js'
import { meRoutes } from './me.js'
import { messageRoutes } from './messages.js'
import { offlineRoutes } from './offline.js'
import { userRoutes } from './users.js'

/** The route table: what the router serves and the OpenAPI document describes. */
export const ROUTES: readonly Route[] = [
  ...authRoutes,
  ...meRoutes,
  ...userRoutes,
  ...messageRoutes,
  ...historyRoutes,
  ...conversationRoutes,
  ...offlineRoutes,
]
