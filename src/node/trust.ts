import {
  type AbortOptions,
  DdmError,
  exposureOf,
  type Grant,
  type SessionEnd,
  type SessionRole,
  type Standing,
  type TrustLedger,
  type TrustRequest,
  type TrustStore,
  type TrustSubject
} from '../interface/index.ts'
import { afterSession, type CreditDecision, creditFor, halvingsOf, NO_RECORD } from '../protocols/sdpp/index.ts'

export interface TrustInit {
  store: TrustStore
  /** What all strangers of an hour may owe together, atomic units. A buyer pays no stranger ahead. */
  strangerCredit: bigint
  /** Unix ms. @default Date.now */
  now?: () => number
}

const HOUR = 3_600_000

/**
 * The book of whom this node gives credit, or pays ahead, and how that went. All of it is in the store: a node that was
 * killed goes on with every grant still counted.
 *
 * @example
 * ```ts
 * const trust = createTrustLedger({ store: ledger.trust, strangerCredit: 100_000n })
 * const credit = await trust.grant({ role: 'seller', session, peer, account, one: 100n, cap: 10_000n, covered })
 * await trust.close({ role: 'seller', session, settled: 5_000n, debt: 0n })
 * ```
 */
export function createTrustLedger(init: TrustInit): TrustLedger {
  return new StoredTrust(init)
}

type Who = Pick<Grant, 'role' | 'peer' | 'account'>
type Terms = Pick<TrustRequest, 'one' | 'cap' | 'covered' | 'want' | 'floor' | 'elsewhere'>

class StoredTrust implements TrustLedger {
  readonly #store: TrustStore
  readonly #strangerCredit: bigint
  readonly #now: () => number
  #last: Promise<unknown> = Promise.resolve()

  constructor({ store, strangerCredit, now = Date.now }: TrustInit) {
    this.#store = store
    this.#strangerCredit = strangerCredit
    this.#now = now
  }

  grant(
    request: TrustRequest & { session: string | ((credit: bigint) => string) },
    options?: AbortOptions
  ): Promise<bigint> {
    return this.#inTurn(async () => {
      const { role, peer, account } = request
      const { credit, stranger } = await this.#decide(request, request, undefined, options)
      const session = typeof request.session === 'string' ? request.session : request.session(credit)
      if ((await this.#store.grant(role, session, options)) !== undefined) {
        throw new DdmError('internal', `session ${session} was given credit before; it can only be reopened`)
      }
      const who = { role, session, peer, ...(account === undefined ? {} : { account }) }
      // Not to be aborted half way: either the caller gets the credit, or none was given.
      await this.#store.put({ ...who, credit, settled: 0n, debt: 0n, stranger, open: true, at: this.#now() }, [])
      return credit
    })
  }

  async offerable(request: TrustRequest, options?: AbortOptions): Promise<bigint> {
    return (await this.#decide(request, request, undefined, options)).credit
  }

  close({ role, session, settled, debt, timedOut = false }: SessionEnd, options?: AbortOptions): Promise<void> {
    return this.#inTurn(async () => {
      const grant = await this.#store.grant(role, session, options)
      if (grant === undefined) return
      const counted = debt === 0n && settled > grant.settled ? settled : grant.settled
      const change = {
        settled: counted - grant.settled,
        timedOut: timedOut && grant.open ? { credit: grant.credit, debt } : undefined
      }
      // Strangers who bought nothing leave no record.
      const changed = change.settled > 0n || change.timedOut !== undefined ? subjectsOf(grant) : []
      const records = await Promise.all(
        changed.map(async (subject) => {
          const record = (await this.#store.record(role, subject, options)) ?? NO_RECORD
          return { ...afterSession(record, change), ...subject }
        })
      )
      await this.#store.put({ ...grant, settled: counted, debt, open: false }, records)
    })
  }

  reopen(request: Terms & { role: SessionRole; session: string }, options?: AbortOptions): Promise<bigint> {
    return this.#inTurn(async () => {
      const { role, session } = request
      const grant = await this.#store.grant(role, session, options)
      if (grant === undefined) throw new DdmError('notFound', `session ${session} was never given credit`)
      // One that nobody closed may owe all that it was given.
      const debt = exposureOf(grant)
      const { credit, stranger } = await this.#decide(grant, request, { session, debt }, options)
      // Credit to a stranger belongs to this hour; what is not covered by new credit stays in its own.
      const drawn = stranger ? { stranger, at: this.#now() } : { stranger: grant.stranger && debt > credit }
      await this.#store.put({ ...grant, ...drawn, credit, debt, open: true }, [])
      return credit
    })
  }

  async standing(
    role: SessionRole,
    who: { peer: string; account?: string },
    options?: AbortOptions
  ): Promise<{ peer: Standing; account?: Standing }> {
    const [peer, account] = await this.#standings({ role, ...who }, undefined, options)
    return { peer, ...(account === undefined ? {} : { account }) }
  }

  async owed(
    role: SessionRole,
    who: { peer: string; account?: string },
    except: string,
    options?: AbortOptions
  ): Promise<bigint> {
    const standings = await this.#standings({ role, ...who }, except, options)
    return standings.reduce((most, { debt }) => (debt > most ? debt : most), 0n)
  }

  outstanding(role?: SessionRole, options?: AbortOptions): Promise<Grant[]> {
    return this.#store.outstanding(role, options)
  }

  /** Credit as policy has it now; what the session itself has at risk is part of it, not beside it. */
  async #decide(
    who: Who,
    terms: Terms,
    own: Pick<Grant, 'session' | 'debt'> | undefined,
    options?: AbortOptions
  ): Promise<CreditDecision> {
    const { role } = who
    const [given, standings] = await Promise.all([
      this.#store.strangers(role, this.#now() - HOUR, own?.session, options),
      this.#standings(who, own?.session, options)
    ])
    const total = role === 'seller' ? this.#strangerCredit : 0n
    const allowance = total > given ? total - given : 0n
    const elsewhere = terms.elsewhere?.() ?? 0n
    const decision = creditFor({ standings, allowance, elsewhere }, terms)
    // A stranger's record is given once: who owes more than one has had it.
    if (decision.stranger && own !== undefined && own.debt > decision.credit) return { credit: 0n, stranger: false }
    return decision
  }

  #standings(
    { role, peer, account }: Who,
    except: string | undefined,
    options?: AbortOptions
  ): Promise<[Standing, ...Standing[]]> {
    const byPeer = this.#standing(role, { by: 'peer', name: peer }, except, options)
    if (account === undefined) return Promise.all([byPeer])
    return Promise.all([byPeer, this.#standing(role, { by: 'account', name: account }, except, options)])
  }

  async #standing(
    role: SessionRole,
    subject: TrustSubject,
    except: string | undefined,
    options?: AbortOptions
  ): Promise<Standing> {
    const [record, { debt, open }] = await Promise.all([
      this.#store.record(role, subject, options),
      this.#store.exposure(role, subject, except, options)
    ])
    return { settled: record?.settled ?? 0n, halvings: halvingsOf(record ?? NO_RECORD), debt, open }
  }

  /** One at a time: two sessions must not both get the same room, nor two ends the same record. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return turn
  }
}

function subjectsOf({ peer, account }: Who): TrustSubject[] {
  const byPeer: TrustSubject = { by: 'peer', name: peer }
  return account === undefined ? [byPeer] : [byPeer, { by: 'account', name: account }]
}
