export { type ConformanceCase, runCase } from './case.js'
export { conformanceCases } from './cases/index.js'
export type { Target } from './conversation.js'
export { innerline, type Profile, topicBroker } from './profile.js'
