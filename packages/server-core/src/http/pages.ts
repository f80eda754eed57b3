import { PAGE } from '@innerline/protocol'
import type { EntryPage } from '../app/read-messages.js'
import type { Entry } from '../domain/entry.js'
import { messageJson } from '../domain/message-json.js'
import { integer } from './param.js'

/** `limit` of every list and page. */
export const limitParam = integer(`Entries of a page; ${PAGE.default} unless given.`, { min: 1, max: PAGE.max })

/** Entries as a JSON array, their bodies spliced in as they are stored. */
export const entriesJson = (entries: readonly Entry[]): string => `[${entries.map(messageJson).join(',')}]`

/** A page of a log as JSON, with `nextAfterSeq` where there is one. */
export function pageJson(page: EntryPage & { readonly nextAfterSeq?: number }): string {
  const next = page.nextAfterSeq === undefined ? '' : `"nextAfterSeq":${page.nextAfterSeq},`
  const receipts = page.receipts === undefined ? '' : `,"receipts":${JSON.stringify(page.receipts)}`
  const { entries, hasMore, floorSeq, epoch } = page
  return `{"messages":${entriesJson(entries)},"hasMore":${hasMore},${next}"floorSeq":${floorSeq},"epoch":${epoch}${receipts}}`
}
