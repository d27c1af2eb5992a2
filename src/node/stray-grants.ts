import type { AbortOptions, Payee, SessionStore, TrustLedger } from '../interface/index.ts'

/**
 * Closes what an earlier run granted to sessions that it was killed before it stored: neither ORDER nor ACCEPT has left, so
 * nothing is owed, and nothing else would ever close it. Only before this run grants anything itself: a grant is older than the
 * row of its session.
 */
export async function closeStrayGrants(
  { trust, sessions }: { trust: TrustLedger; sessions: Pick<SessionStore, 'get'> },
  options?: AbortOptions
): Promise<void> {
  for (const { role, session, open } of await trust.outstanding(undefined, options)) {
    if (!open || (await sessions.get(session, role, options)) !== undefined) continue
    await trust.close({ role, session, settled: 0n, debt: 0n }, options)
  }
}

/**
 * The same for what sessions hold of their channels: the seller's rail begins one before it is stored. While it is open nothing
 * of its channel is paid back.
 */
export async function endStraySessions(
  { payees, sessions }: { payees: readonly Payee[]; sessions: Pick<SessionStore, 'get'> },
  options?: AbortOptions
): Promise<void> {
  const isKnown = async (id: string): Promise<boolean> => (await sessions.get(id, 'seller', options)) !== undefined
  for (const { channels } of payees) await channels?.endStray(isKnown, options)
}
