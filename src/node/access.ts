import {
  type BuyerGate,
  type BuyerRefusal,
  type BuyerRequest,
  DdmError,
  type Hex,
  type Logger
} from '../interface/index.ts'

/**
 * Asked for each order and each resume; the account is one that has signed for the order. The signal aborts when the answer
 * is not waited for any more.
 */
export type Authorize = (
  request: { peerId: string; account: string | undefined; listing: Hex },
  options: { signal: AbortSignal }
) => boolean | Promise<boolean>

/** Who may buy a product. Peer IDs (`12D3KooW…`) and paying accounts (`0x…`) may be mixed. */
export interface AccessRules {
  /** Only these; somebody who is on it in one way is allowed. @default everybody */
  allow?: readonly string[]
  /** Never these, whatever `allow` says. */
  deny?: readonly string[]
  /** Asked about those whom the lists let through; what throws or takes longer than five seconds counts as no. */
  authorize?: Authorize
}

export interface AccessComponents {
  /** Sessions of one buyer at a time. */
  maxSessions: number
  /** Orders and resumes of one buyer: each makes this side read its ledger, its log or the chain. */
  ordersPerMinute: number
  logger: Logger
  /** Monotonic ms. @default performance.now */
  now?: () => number
}

const MINUTE = 60_000
const AUTHORIZE_TIMEOUT_MS = 5_000
/** Of how many names the last orders are remembered before those of more than a minute ago are dropped. */
const REMEMBERED = 10_000

/** 20 bytes on evm, 32 on iota; rails name them in lower case. */
const ACCOUNT = /^0x(?:[0-9a-fA-F]{40}|[0-9a-fA-F]{64})$/

const FORBIDDEN: BuyerRefusal = { status: 'forbidden', text: 'this buyer is not served' }

interface Rules {
  allow: ReadonlySet<string> | undefined
  /** An account may be what lets a peer in that is not known. */
  allowsAccounts: boolean
  deny: ReadonlySet<string>
  authorize: Authorize | undefined
}

/** Counts by peer ID and by proved account: naming a stranger's account costs the stranger nothing. */
export class Access implements BuyerGate {
  readonly #components: AccessComponents
  readonly #now: () => number
  readonly #rules = new Map<Hex, Rules>()
  readonly #open = new Map<AbortSignal, string[]>()
  /** Times of the last orders, by peer ID and by account. */
  readonly #orders = new Map<string, number[]>()

  constructor(components: AccessComponents) {
    this.#components = components
    this.#now = components.now ?? (() => performance.now())
  }

  /** Throws `usage` for an entry that is neither a peer ID nor an account. */
  setRules(listing: Hex, { allow, deny = [], authorize }: AccessRules): void {
    const allowed = allow?.map(nameOf)
    this.#rules.set(listing, {
      allow: allowed === undefined ? undefined : new Set(allowed),
      allowsAccounts: allowed?.some(isAccount) ?? false,
      deny: new Set(deny.map(nameOf)),
      authorize
    })
  }

  dropRules(listing: Hex): void {
    this.#rules.delete(listing)
  }

  greets(peerId: string, listing: Hex): boolean {
    const rules = this.#rules.get(listing)
    if (rules === undefined) return true
    if (rules.deny.has(peerId)) return false
    return rules.allow === undefined || rules.allowsAccounts || rules.allow.has(peerId)
  }

  async admits(request: BuyerRequest, options: { signal: AbortSignal }): Promise<BuyerRefusal | undefined> {
    if (!this.#isListed(request)) return FORBIDDEN
    // Counted before the callback is asked: many orders at once must not all find room.
    const { peerId, account } = request
    const refusal =
      this.#count(peerId, options) ?? (account === undefined ? undefined : this.#count(account.toLowerCase(), options))
    if (refusal !== undefined) return refusal
    return (await this.#isAuthorized(request, options)) ? undefined : FORBIDDEN
  }

  #isListed({ peerId, account, named, listing }: BuyerRequest): boolean {
    const rules = this.#rules.get(listing)
    if (rules === undefined) return true
    const has = (list: ReadonlySet<string>, name: string | undefined): boolean =>
      name !== undefined && list.has(name.toLowerCase())
    if (rules.deny.has(peerId) || has(rules.deny, account) || has(rules.deny, named)) return false
    const { allow } = rules
    return allow === undefined || allow.has(peerId) || has(allow, account)
  }

  #count(name: string, { signal }: { signal: AbortSignal }): BuyerRefusal | undefined {
    const { maxSessions, ordersPerMinute } = this.#components
    const own = this.#open.get(signal)
    if (own?.includes(name) === true || signal.aborted) return undefined
    const sessions = [...this.#open.values()].filter((names) => names.includes(name)).length
    if (sessions >= maxSessions) {
      return busy(`you have ${sessions} sessions here, one buyer may have ${maxSessions}; end one of them first`)
    }
    const since = this.#now() - MINUTE
    const orders = (this.#orders.get(name) ?? []).filter((at) => at > since)
    if (orders.length >= ordersPerMinute) {
      const wait = Math.ceil(((orders[0] as number) - since) / 1000)
      return busy(
        `you ordered or resumed ${orders.length} times in a minute, as often as one buyer may; wait ${wait} s`
      )
    }
    this.#note(name, [...orders, this.#now()], since)
    if (own !== undefined) own.push(name)
    else {
      this.#open.set(signal, [name])
      signal.addEventListener('abort', () => this.#open.delete(signal), { once: true })
    }
    return undefined
  }

  #note(name: string, orders: number[], since: number): void {
    if (this.#orders.size >= REMEMBERED) {
      for (const [other, times] of this.#orders) if ((times.at(-1) ?? 0) <= since) this.#orders.delete(other)
    }
    this.#orders.set(name, orders)
  }

  async #isAuthorized({ peerId, account, listing }: BuyerRequest, options: { signal: AbortSignal }): Promise<boolean> {
    const authorize = this.#rules.get(listing)?.authorize
    if (authorize === undefined) return true
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(AUTHORIZE_TIMEOUT_MS)])
    const aborted = Promise.withResolvers<never>()
    const onAbort = (): void => aborted.reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const answer = Promise.resolve(authorize({ peerId, account, listing }, { signal }))
      return (await Promise.race([answer, aborted.promise])) === true
    } catch (error) {
      this.#components.logger.warn('authorize gave no answer: the buyer is not served', {
        peer: peerId,
        error: String(error)
      })
      return false
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }
}

function busy(text: string): BuyerRefusal {
  return { status: 'busy', text }
}

function isAccount(name: string): boolean {
  return name.startsWith('0x')
}

function nameOf(entry: string): string {
  if (ACCOUNT.test(entry)) return entry.toLowerCase()
  if (/^[1-9A-HJ-NP-Za-km-z]{46,62}$/.test(entry)) return entry
  throw new DdmError('usage', `"${entry}" names no buyer; write a peer ID like 12D3KooW… or an account like 0x5b38…`)
}
