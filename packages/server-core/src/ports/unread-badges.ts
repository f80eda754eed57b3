/** Short-lived cache of computed unread counts. Anything missing means "ask Storage"; it never decides anything. */
export interface UnreadBadges {
  /** The counts, if all of them are known and fresh. */
  get(userId: string): Promise<UnreadCounts | undefined>
  /** Keeps counts read whole from Storage for at most 15 s. */
  put(userId: string, counts: UnreadCounts): Promise<void>
  /** Forgets the user's counts. */
  invalidate(userId: string): Promise<void>
  close(): Promise<void>
}

export interface UnreadCounts {
  readonly total: number
  readonly byConversation: Readonly<Record<string, number>>
}
