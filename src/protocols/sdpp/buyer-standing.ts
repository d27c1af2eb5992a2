import type { BuyerState } from './buyer-machine.ts'
import { CLOSE_REASON } from './status.ts'
import { isSettled, type StoredSession } from './stored-session.ts'

/** What the machine has. `before` is the session as an earlier stream left it, of one that is resumed. */
type Now = Pick<BuyerState, 'phase' | 'due' | 'closeSent' | 'reason'>

/**
 * The user wants no more records, now or since an earlier stream: only the end of the session is still missing.
 *
 * @param wasCut - the seller was left, not the product
 */
export function isStopped({ closeSent, reason }: Now, before: StoredSession | undefined, wasCut: boolean): boolean {
  if (before?.record.state === 'stopped') return true
  return closeSent && reason === CLOSE_REASON.buyerDone && !wasCut
}

/** A resume begins at a checkpoint: what comes again was due before. */
export function dueOf({ due }: Pick<Now, 'due'>, before: StoredSession | undefined): bigint {
  const { due: least = 0n } = before?.record ?? {}
  return due > least ? due : least
}

/**
 * Signed for and not received: what the seller owes, also one that does not take the session up again. Settled, it owes
 * nothing.
 */
export function aheadOf(paid: bigint, now: Pick<Now, 'due'>, before: StoredSession | undefined): bigint {
  if (before !== undefined && isSettled(before)) return 0n
  const due = dueOf(now, before)
  return paid > due ? paid - due : 0n
}

/** One that has failed is left only when its trust is closed: a crash before that finds it to be taken up again. */
export function stateOf({ phase }: Pick<Now, 'phase'>, stopped: boolean): string {
  const isOver = phase === 'failed' || phase === 'settling'
  if (isOver && stopped) return 'stopped'
  return phase === 'failed' ? 'suspended' : phase
}

/** Whether the session may go on over another stream. */
export function isOpen(state: string): boolean {
  return state === 'suspended' || state === 'stopped'
}
