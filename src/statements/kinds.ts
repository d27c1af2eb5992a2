import { RAIL_NAMES } from '../interface/index.ts'
import { amount, bytes, flag, having, hex, link, list, map, oneOf, optional, text, u64 } from './field.ts'

/** What statements say, field by field; the tables in docs/specs/sdpp.md list the same. */

const address = hex(20)
/** 20 bytes on evm, 32 on iota. */
const account = hex([20, 32])
const caip = text(128, /^[-a-z0-9]{3,8}:[-_a-zA-Z0-9/:.]{1,119}$/)
const peerId = text(128, /^[a-zA-Z0-9]+$/)
export const rail = oneOf(...RAIL_NAMES)

const priceFields = { amount, count: u64, unit: oneOf('record', 'KiB') }

export const channelConfig = map({
  payer: address,
  payerAuthorizer: address,
  receiver: address,
  receiverAuthorizer: address,
  token: address,
  withdrawDelay: u64,
  salt: hex(32)
})

/** The evm rail's payload of a PAYMENT, and the proof in ACCEPT and RECEIPT. The length of the signature is the rail's to judge. */
export const voucher = map({ channelId: hex(32), maxClaimableAmount: amount, signature: hex({ max: 1024 }) })

/** A statement as it was signed, inside another message. */
export const quoted = map({ payload: bytes({ max: 8192 }), signature: bytes(64) })

/** The iota rail's payload of a PAYMENT. */
const transfer = map({
  transaction: hex(32),
  demand: quoted,
  unsent: optional(map({ bytes: bytes({ max: 16_384 }), signature: bytes({ max: 1024 }) }))
})

/** What a PAYMENT carries, by rail. */
export const paymentPayload = having('transaction', transfer, voucher)

/** A deposit for the seller to relay, in ORDER and PAYMENT. */
export const deposit = map({ amount, collector: address, data: hex({ max: 4096 }) })

const offerPrice = map({
  ...priceFields,
  rail,
  credit: amount,
  network: optional(caip),
  asset: optional(caip),
  payTo: optional(account),
  receiverAuthorizer: optional(address),
  escrow: optional(address),
  withdrawDelay: optional(u64),
  /** Granularity meant for this way to pay; the offer's default when absent. */
  k: optional(u64),
  /** The seller pays the fees of the payments. */
  sponsored: optional(flag)
})

/** Coin of the seller that pays the fee of the payment that a statement asks for. */
const gas = map({
  coin: hex(32),
  version: u64,
  digest: hex(32),
  price: u64,
  budget: u64
})

const common = { kind: text(32), iss: peerId, at: u64 }

export const STATEMENT_SHAPES = {
  menu: map({
    ...common,
    nonce: bytes(16),
    listings: list(
      map({
        cid: link,
        id: hex(32),
        title: text(200),
        rail,
        ...priceFields,
        asset: optional(caip),
        records: optional(u64)
      }),
      64
    ),
    next: optional(u64)
  }),
  offer: map({
    ...common,
    listing: link,
    listingId: hex(32),
    version: u64,
    buyer: peerId,
    nonce: bytes(16),
    /** Seller's randomness: no two offers have the same CID, so an order fits one stream only. It protects the seller. */
    salt: optional(bytes(16)),
    prices: list(offerPrice, 8),
    k: map({ min: u64, default: u64, max: u64 }),
    epoch: u64,
    tail: u64,
    head: u64,
    finished: flag,
    free: optional(map({ from: u64, to: u64 })),
    schema: optional(bytes(32)),
    maxRecordBytes: u64,
    resumeTtl: u64,
    ttl: u64
  }),
  order: map({
    ...common,
    offer: link,
    nonce: bytes(16),
    price: u64,
    rail,
    config: optional(channelConfig),
    channelAuth: optional(hex({ max: 1024 })),
    deposit: optional(deposit),
    account: optional(account),
    accountAuth: optional(hex({ max: 1024 })),
    from: map({ offset: optional(u64), time: optional(u64), live: optional(flag) }),
    quantity: optional(u64),
    until: optional(u64),
    duration: optional(u64),
    k: u64,
    prepay: amount,
    maximum: amount
  }),
  accept: map({
    ...common,
    session: link,
    start: u64,
    epoch: u64,
    until: optional(u64),
    k: u64,
    credit: amount,
    ahead: amount,
    base: optional(amount),
    proof: optional(voucher),
    /** In answer to RESUME: what the seller holds for this session. */
    credited: optional(amount),
    gas: optional(gas)
  }),
  invoice: map({
    ...common,
    session: link,
    n: u64,
    bytes: u64,
    due: amount,
    credited: amount,
    root: bytes(32),
    gas: optional(gas)
  }),
  receipt: map({
    ...common,
    session: link,
    n: u64,
    bytes: u64,
    due: amount,
    credited: amount,
    unused: amount,
    root: bytes(32),
    reason: u64,
    proof: optional(voucher)
  }),
  'receipt-ack': map({ ...common, session: link, receipt: link })
} as const

export type StatementKind = keyof typeof STATEMENT_SHAPES
type ShapeOf<K extends StatementKind> = (typeof STATEMENT_SHAPES)[K]
type Decoded<F> = F extends { decode: (value: unknown, path: string) => infer T } ? T : never

/** Content of a statement of kind K. */
export type Statement<K extends StatementKind> = Decoded<ShapeOf<K>>
/** What a signer gives: the content without what signing fills in. */
export type StatementFields<K extends StatementKind> = Omit<Statement<K>, 'kind' | 'iss' | 'at'>
export type OfferPrice = Statement<'offer'>['prices'][number]
export type Voucher = Decoded<typeof voucher>

export function isStatementKind(value: unknown): value is StatementKind {
  return typeof value === 'string' && Object.hasOwn(STATEMENT_SHAPES, value)
}
