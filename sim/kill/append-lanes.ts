/** The lanes as a node has them, for kill tests of adapters: these append through the same code as a running server. */
export { AppendLanes, type AppendLaneOptions } from '../../packages/server-core/src/app/append-lanes.js'
