import type { Listing, Payee, ProductLog } from '../../interface/index.ts'
import type { Invoicing } from './seller-machine.ts'

/** A product as the seller's side of the protocol sees it. */
export interface Product {
  readonly listing: Listing
  readonly log: ProductLog
  /** Ways to be paid, one per entry of the listing's `payment` that this node can serve. */
  readonly payees: readonly Payee[]
  /** Risk per session in atomic units: due − credited stays within it. */
  readonly credit: bigint
  readonly k: { min: bigint; default: bigint; max: bigint }
  /** @default 'adaptive' */
  readonly invoicing?: Invoicing
}

/** What a seller offers now; read at every HELLO. */
export interface Catalog {
  products: () => readonly Product[]
}
