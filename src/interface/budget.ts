import type { AbortOptions } from './common.ts'

/** Budget in front of every payer: durable, enforced before a signature is made. */
export interface Budget {
  /** Throws `budget` with both numbers when the caps do not allow it; reserves the amount durably otherwise. */
  reserve: (
    /** `first`: what must fit into the caps besides, without being spent: the first record of an order. */
    request: { seller: string; session: string; amount: bigint; unitPrice?: bigint; first?: bigint },
    options?: AbortOptions
  ) => Promise<void>
  /** Kill switch, asked right before each signature: throws `budget` while the wallet is frozen. */
  permit: () => void
  /**
   * Another number whenever the caps or the list of sellers are not what they were at the call before: what was reserved until
   * then is to be asked for anew. In memory.
   */
  revision: () => number
  /** Gives back what was reserved for a session beyond `used`; the same again changes nothing. */
  settle: (session: { session: string; used: bigint }, options?: AbortOptions) => Promise<void>
}
