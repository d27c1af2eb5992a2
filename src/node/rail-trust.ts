import { assetId } from '../chain/index.ts'
import {
  type AbortOptions,
  currencyOf,
  DdmError,
  type Grant,
  iotaAssetId,
  type NetworkProfile,
  parseUnits,
  type RailName,
  type SessionEnd,
  type SessionRole,
  type TrustLedger,
  type TrustRequest
} from '../interface/index.ts'
import type { Ledger } from '../storage/index.ts'
import type { NodeConfig } from './config.ts'
import { createTrustLedger } from './trust.ts'

/** The books of a node, with the strangers' allowance of its settings in each currency. */
export function createTrust({
  profile,
  config,
  ledger
}: {
  profile: NetworkProfile
  config: Pick<NodeConfig, 'strangerCredit'>
  ledger: Pick<Ledger, 'book'>
}): TrustLedger {
  const bookOf = (rail: RailName, asset: string): TrustLedger => {
    const { decimals } = currencyOf(profile, rail)
    return createTrustLedger({
      store: ledger.book(asset).trust,
      strangerCredit: parseUnits(config.strangerCredit, decimals, 'strangerCredit')
    })
  }
  const books = new Map<RailName, TrustLedger>([['evm', bookOf('evm', assetId(profile))]])
  if (profile.iota !== undefined) books.set('iota', bookOf('iota', iotaAssetId(profile.iota)))
  return new RailTrust(books)
}

/** One book of trust for each rail: amounts of different currencies are never added up. */
class RailTrust implements TrustLedger {
  readonly #books: ReadonlyMap<RailName, TrustLedger>

  constructor(books: ReadonlyMap<RailName, TrustLedger>) {
    this.#books = books
  }

  grant(
    request: TrustRequest & { session: string | ((credit: bigint) => string) },
    options?: AbortOptions
  ): Promise<bigint> {
    return this.#of(request).grant(request, options)
  }

  offerable(request: TrustRequest, options?: AbortOptions): Promise<bigint> {
    return this.#of(request).offerable(request, options)
  }

  /** Of a session that a book does not know it says nothing. */
  async close(end: SessionEnd, options?: AbortOptions): Promise<void> {
    for (const book of this.#books.values()) await book.close(end, options)
  }

  async reopen(request: Parameters<TrustLedger['reopen']>[0], options?: AbortOptions): Promise<bigint> {
    for (const book of this.#books.values()) {
      try {
        return await book.reopen(request, options)
      } catch (error) {
        if (!(error instanceof DdmError) || error.code !== 'notFound') throw error
      }
    }
    throw new DdmError('notFound', `session ${request.session} was never given credit`)
  }

  standing(
    role: SessionRole,
    who: { peer: string; account?: string; rail?: RailName },
    options?: AbortOptions
  ): ReturnType<TrustLedger['standing']> {
    return this.#of(who).standing(role, who, options)
  }

  owed(
    role: SessionRole,
    who: { peer: string; account?: string; rail?: RailName },
    except: string,
    options?: AbortOptions
  ): Promise<bigint> {
    return this.#of(who).owed(role, who, except, options)
  }

  async outstanding(role?: SessionRole, options?: AbortOptions): Promise<Grant[]> {
    const all = await Promise.all([...this.#books.values()].map((book) => book.outstanding(role, options)))
    return all.flat()
  }

  #of({ rail = 'evm' }: { rail?: RailName }): TrustLedger {
    const book = this.#books.get(rail)
    if (book === undefined) throw new DdmError('internal', `there is no book of rail ${rail}`)
    return book
  }
}
