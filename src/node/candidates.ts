import {
  type AbortOptions,
  type Currency,
  DdmError,
  type Listing,
  type ListingPayment,
  type RailName
} from '../interface/index.ts'
import { atomicAmount } from './money.ts'
import type { BuyOptions, Quote } from './types.ts'

export interface CandidateComponents {
  find: (id: string, options?: AbortOptions) => Promise<Listing>
  quote: (listing: Listing, options: Pick<BuyOptions, 'rail' | 'signal'>) => Promise<Quote>
  currency: (rail: RailName) => Currency
}

/** One of several sellers of a product. */
export interface Candidate {
  /** ID of its listing as the caller gave it. */
  readonly name: string
  /** How often it failed or was left. */
  strikes: number
  /** Why it is not asked again. */
  out?: unknown
}

/** A candidate as it may be bought from now. */
export interface Choice {
  candidate: Candidate
  listing: Listing
  rail: RailName
  price: ListingPayment['price']
}

/** Several sellers of one product, and one budget in one currency. */
export class Candidates {
  readonly #components: CandidateComponents
  readonly #given: ReadonlyMap<string, Listing>
  readonly #options: Pick<BuyOptions, 'rail'> & { max: string | bigint }
  readonly #all: readonly Candidate[]
  /** In the currency of the first seller that costs anything. */
  #budget: { rail: RailName; max: bigint } | undefined

  constructor(
    listings: ReadonlyArray<string | Listing>,
    options: Pick<BuyOptions, 'rail'> & { max: string | bigint },
    components: CandidateComponents
  ) {
    this.#components = components
    this.#options = options
    this.#given = new Map(listings.flatMap((one) => (typeof one === 'string' ? [] : [[one.id, one]])))
    const names = new Set(listings.map((one) => (typeof one === 'string' ? one : one.id)))
    this.#all = [...names].map((name) => ({ name, strikes: 0 }))
  }

  get size(): number {
    return this.#all.length
  }

  /** Atomic units; 0 while nobody has cost anything. */
  get max(): bigint {
    return this.#budget?.max ?? 0n
  }

  /** Who may be asked, the best first. Listings are read anew: a price may have changed, a seller retired. */
  async choices(options: AbortOptions & { signal: AbortSignal }): Promise<Choice[]> {
    const choices: Choice[] = []
    for (const candidate of this.#all) {
      if (candidate.out !== undefined) continue
      try {
        choices.push(await this.#look(candidate, options))
      } catch (error) {
        options.signal.throwIfAborted()
        this.strike(candidate, error)
      }
    }
    if (this.#all.every(({ out }) => out !== undefined)) throw this.#all.at(-1)?.out
    return rank(choices)
  }

  /** @throws the error itself when nobody else would do better */
  strike(candidate: Candidate, error: unknown): void {
    const verdict = judgeFailure(error)
    if (verdict === 'end') throw error
    candidate.strikes++
    if (verdict === 'out') candidate.out = error
  }

  async #look(candidate: Candidate, { signal }: { signal: AbortSignal }): Promise<Choice> {
    const { find, quote } = this.#components
    const listing = await find(candidate.name, { signal }).catch((error: unknown) => {
      const given = this.#given.get(candidate.name)
      if (given === undefined) throw error
      return given
    })
    const { id, status, document } = listing
    if (status !== 'active') throw new DdmError('notFound', `listing ${id} ("${document.title}") is ${status}`)
    const { rail } = this.#options
    let { rail: way, payment } = await quote(listing, { signal, ...(rail === undefined ? {} : { rail }) })
    const budget = this.#budget
    if (way !== 'free' && budget !== undefined && way !== budget.rail) {
      ;({ rail: way, payment } = await quote(listing, { signal, rail: budget.rail }))
    }
    if (way !== 'free') {
      const max = atomicAmount(this.#options.max, this.#components.currency(way), 'max')
      this.#budget ??= { rail: way, max }
    }
    return { candidate, listing, rail: way, price: payment.price }
  }
}

/** Those with the fewest strikes, the cheapest of them first; else as the caller named them. */
export function rank<T extends Pick<Choice, 'price'> & { candidate: Pick<Candidate, 'strikes'> }>(
  choices: readonly T[]
): T[] {
  return choices.toSorted((a, b) => a.candidate.strikes - b.candidate.strikes || comparePrices(a.price, b.price))
}

/** Prices of different units cannot be compared; what costs nothing is cheapest in any. */
function comparePrices(a: ListingPayment['price'], b: ListingPayment['price']): number {
  const left = BigInt(a.amount) * BigInt(b.count)
  const right = BigInt(b.amount) * BigInt(a.count)
  if (a.unit !== b.unit && left !== 0n && right !== 0n) return 0
  return left === right ? 0 : left < right ? -1 : 1
}

/** What follows from a failure: nobody else would do better, it will not be mended by trying again, or others come first. */
export function judgeFailure(error: unknown): 'end' | 'out' | 'strike' {
  if (!(error instanceof DdmError)) return 'end'
  if (error.code === 'budget' && SELLER_CAPS.has(error.details.setting)) return 'out'
  if (OWN_FAULTS.has(error.code)) return 'end'
  // A seller that has just started may not sell yet what it is about to.
  if (error.code === 'notFound' && error.details.status !== undefined) return 'strike'
  return LASTING.has(error.code) ? 'out' : 'strike'
}

const OWN_FAULTS: ReadonlySet<string> = new Set(['budget', 'funds', 'config', 'internal', 'aborted', 'keyLocked'])

/** Settings that one seller's terms, or what was spent with it, exceed: another one may be within them. */
const SELLER_CAPS: ReadonlySet<unknown> = new Set([
  'budgetPerRecord',
  'budgetPerSession',
  'budgetPerSeller',
  'budgetSellers',
  'budgetDeposit',
  'maxWithdrawDelay'
])

const LASTING: ReadonlySet<string> = new Set([
  'schema',
  'usage',
  'priceAboveLimit',
  'notFound',
  'ambiguous',
  'badRecord',
  'evidence'
])
