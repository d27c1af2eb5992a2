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
  /** Asked at each reservation and for each `revision`: caps may change while the node runs. */
  limits: () => BudgetLimits
  /** Peer IDs of the only sellers that may be paid; none: everybody. @default everybody */
  allow?: () => readonly string[]
  /** Kill switch: asked before each reservation and before each signature. @default never */
  frozen?: () => boolean
  /** How an amount is written in messages. @default atomic units */
  format?: (amount: bigint) => string
  /** Unix ms. @default Date.now */
  now?: () => number
}

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** The setting that holds each cap: messages say what to change. */
const SETTING: Readonly<Record<keyof BudgetLimits, string>> = {
  perRecord: 'budgetPerRecord',
  perSession: 'budgetPerSession',
  perSeller: 'budgetPerSeller',
  perHour: 'budgetPerHour',
  perDay: 'budgetPerDay'
}

const CAPS = Object.keys(SETTING) as Array<keyof BudgetLimits>

/**
 * Stands in front of every payer: what is not within the caps is refused before a signature is made, and what is within
 * is recorded durably first. A bot cannot overspend by a bug in the bot.  An amount of 0 only asks whether anything may be
 * spent on these terms.
 *
 * @example
 * ```ts
 * const budget = createBudget({ spending: ledger.spending, limits: () => ({ perDay: 5_000_000n }) })
 * await budget.reserve({ seller, session, amount: 100n })
 * ```
 */
export function createBudget(init: BudgetInit): Budget {
  const { spending, allow = () => [], frozen = () => false, now = Date.now } = init
  const { format = (amount) => `${amount} atomic units` } = init
  let queue: Promise<unknown> = Promise.resolve()
  let rules: readonly unknown[] = []
  let changes = 0

  function permit(): void {
    if (!frozen()) return
    throw new DdmError('budget', 'the wallet is frozen, nothing is signed; release it with: ddm wallet unfreeze')
  }

  function revision(): number {
    const limits = init.limits()
    const now = [...CAPS.map((cap) => limits[cap]), ...allow()]
    const isSame = now.length === rules.length && now.every((rule, index) => rule === rules[index])
    if (isSame) return changes
    rules = now
    return ++changes
  }

  function exceeded(cap: keyof BudgetLimits, what: string, amount: bigint, limit: bigint): DdmError {
    const setting = SETTING[cap]
    return new DdmError(
      'budget',
      `${what} would be ${format(amount)}, ${setting} allows ${format(limit)}; to allow more, raise ${setting}`,
      { details: { setting, need: `${amount}`, limit: `${limit}` } }
    )
  }

  async function reserve(request: Parameters<Budget['reserve']>[0], options?: AbortOptions): Promise<void> {
    const { seller, session, amount, unitPrice, first = 0n } = request
    permit()
    const sellers = allow()
    const limits = init.limits()
    if (sellers.length > 0 && !sellers.includes(seller)) {
      throw new DdmError(
        'budget',
        `seller ${seller} is not among those that may be paid; to allow it, add it to budgetSellers`,
        {
          details: { setting: 'budgetSellers', seller }
        }
      )
    }
    if (limits.perRecord !== undefined && unitPrice !== undefined && unitPrice > limits.perRecord) {
      throw exceeded('perRecord', 'the most that one record can cost', unitPrice, limits.perRecord)
    }
    const at = now()
    const caps: Array<[keyof BudgetLimits, string, Parameters<SpendingStore['sum']>[0]]> = [
      ['perSession', 'the spending of this session', { session }],
      ['perSeller', 'the spending with this seller in a day', { seller, since: at - DAY }],
      ['perHour', 'the spending of an hour', { since: at - HOUR }],
      ['perDay', 'the spending of a day', { since: at - DAY }]
    ]
    for (const [cap, what, filter] of caps) {
      const limit = limits[cap]
      if (limit === undefined) continue
      // Who may not pay for one record orders none: the seller would be left with what it sent first.
      const least = amount > first ? amount : first
      const spent = await spending.sum(filter, options)
      if (spent + least > limit) throw exceeded(cap, what, spent + least, limit)
    }
    if (amount > 0n) await spending.add({ seller, session, at, amount }, options)
  }

  /** One at a time: two reservations must not both fit into the same room. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    const step = queue.then(work)
    queue = step.catch(() => {})
    return step
  }

  return {
    permit,
    revision,
    reserve: (request, options) => inTurn(() => reserve(request, options)),
    settle: ({ session, used }, options) => inTurn(() => spending.lower({ session, amount: used }, options))
  }
}
