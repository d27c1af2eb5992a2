import type { AbortOptions, Hex } from './common.ts'

/** A buyer at the door of a seller. */
export interface BuyerRequest {
  peerId: string
  /** Account that pays and has signed for it. */
  account?: string
  /** Account that the order names, without a signature of it: denied like any other, and allowed nothing. */
  named?: string
  listing: Hex
}

/** `forbidden` for good, `busy` for now; the text goes to the buyer. */
export interface BuyerRefusal {
  status: 'forbidden' | 'busy'
  text: string
}

/** Who may buy, and how much of a seller's attention one buyer gets. A session counts until its signal aborts. */
export interface BuyerGate {
  /** At HELLO nothing but the peer ID is known. */
  greets: (peerId: string, listing: Hex) => boolean
  /** Before anything is done for an order or a resume. */
  admits: (request: BuyerRequest, options: Required<AbortOptions>) => Promise<BuyerRefusal | undefined>
}
