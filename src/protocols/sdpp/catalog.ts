import type { Listing, Payee, ProductLog, RailName } from '../../interface/index.ts'
import type { Invoicing } from './seller-state.ts'

/** A product as the seller's side of the protocol sees it. */
export interface Product {
  /** New orders are taken while its status is `active`; sessions go on as long as the product is in the catalog. */
  readonly listing: Listing
  readonly log: ProductLog
  /** Ways to be paid, one per entry of the listing's `payment` that this node can serve. */
  readonly payees: readonly Payee[]
  /** Most that one buyer may owe at a time, atomic units: due − credited stays within what each session is given. */
  readonly credit: bigint
  /** The same in the currency of other rails. */
  readonly credits?: Partial<Record<RailName, bigint>>
  /** Every buyer gets all of `credit`, known or not: the operator's own decision. @default false */
  readonly creditForAll?: boolean
  readonly k: { min: bigint; default: bigint; max: bigint }
  /** @default 'adaptive' */
  readonly invoicing?: Invoicing
}

export function creditOf({ credit, credits }: Pick<Product, 'credit' | 'credits'>, rail: RailName): bigint {
  return credits?.[rail] ?? credit
}

/** What a seller offers now; read at every HELLO. */
export interface Catalog {
  products: () => readonly Product[]
}
