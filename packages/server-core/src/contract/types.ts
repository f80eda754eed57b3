export type { Change, FeedPosition } from '../domain/change.js'
export type { Entry, Head } from '../domain/entry.js'
export type { Member } from '../domain/member.js'
export type { AppendItem, AppendResult, Lease, Storage, SummaryRow } from '../ports/storage.js'
