import { type AbortOptions, type Budget, DdmError, type SpendingStore } from '../interface/index.ts'

/** Caps in atomic units; one that is undefined does not limit. */
export interface BudgetLimits {
  perRecord?: bigint
  perSession?: bigint
  /** In a day. */
  perSeller?: bigint
  perHour?: bigint
  perDay?: bigint
}

export interface BudgetInit {
  spending: SpendingStore
  limits: BudgetLimits
  /** Peer IDs of the only sellers that may be paid. @default everybody */
  allow?: readonly string[]
  /** Kill switch: asked before each reservation. @default never */
  frozen?: () => boolean
  /** Unix ms. @default Date.now */
  now?: () => number
}

const HOUR = 3_600_000
const DAY = 24 * HOUR

/**
 * Stands in front of every payer: what is not within the caps is refused before a signature is made, and what is within
 * is recorded durably first. A bot cannot overspend by a bug in the bot. An amount of 0 only asks whether anything may be
 * spent on these terms at all.
 *
 * @example
 * ```ts
 * const budget = createBudget({ spending: ledger.spending, limits: { perDay: 5_000_000n } })
 * await budget.reserve({ seller, session, amount: 100n })
 * ```
 */
export function createBudget(init: BudgetInit): Budget {
  const { spending, limits, allow, frozen = () => false, now = Date.now } = init
  let queue: Promise<unknown> = Promise.resolve()

  async function check(request: Parameters<Budget['reserve']>[0], options?: AbortOptions): Promise<void> {
    const { seller, session, amount, unitPrice } = request
    if (frozen()) throw new DdmError('budget', 'the wallet is frozen; nothing is signed until it is thawed')
    if (allow !== undefined && !allow.includes(seller)) {
      throw new DdmError('budget', `seller ${seller} is not on the list of allowed sellers`)
    }
    if (limits.perRecord !== undefined && unitPrice !== undefined && unitPrice > limits.perRecord) {
      throw exceeded('price of one record', unitPrice, limits.perRecord)
    }
    const at = now()
    const caps: Array<[string, bigint | undefined, Parameters<SpendingStore['sum']>[0]]> = [
      ['spending of this session', limits.perSession, { session }],
      ['spending with this seller today', limits.perSeller, { seller, since: at - DAY }],
      ['spending of this hour', limits.perHour, { since: at - HOUR }],
      ['spending of this day', limits.perDay, { since: at - DAY }]
    ]
    for (const [name, limit, filter] of caps) {
      if (limit === undefined) continue
      const spent = await spending.sum(filter, options)
      if (spent + amount > limit) throw exceeded(name, spent + amount, limit)
    }
    if (amount > 0n) await spending.add({ seller, session, at, amount }, options)
  }

  return {
    // One at a time: two reservations must not both fit into the same room.
    reserve: (request, options) => {
      const step = queue.then(() => check(request, options))
      queue = step.catch(() => {})
      return step
    }
  }
}

function exceeded(what: string, amount: bigint, limit: bigint): DdmError {
  return new DdmError('budget', `${what} would be ${amount}, the budget allows ${limit} (atomic units)`, {
    details: { need: `${amount}`, limit: `${limit}` }
  })
}
