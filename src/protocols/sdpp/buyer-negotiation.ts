import { randomBytes } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import {
  DdmError,
  faultPoint,
  type Listing,
  type Payer,
  type PayerSession,
  priceOfOneRecord,
  type RandomBytes,
  type SessionRecord,
  type SessionStore,
  type TrustLedger
} from '../../interface/index.ts'
import {
  type CheckedStatement,
  type OfferPrice,
  type Statement,
  type StatementSigner,
  signStatement
} from '../../statements/index.ts'
import { sessionBinding } from './binding.ts'
import type { BuyRequest } from './buyer-types.ts'
import type { Clock } from './clock.ts'
import { checkOffer, checkOfferedPrice, costsMore, type OrderWish, paymentTermsOf, priceOf } from './negotiation.ts'
import { recordRulesOf } from './record-rules.ts'
import { SdppError, STATUS } from './status.ts'
import { startCheckpoint } from './stored-session.ts'

export interface PlacedOrder {
  /** Session ID: CID of the ORDER. */
  session: CID
  statement: CheckedStatement<'order'>
  offer: CheckedStatement<'offer'>
  entry: OfferPrice
  payer: PayerSession
  record: SessionRecord
}

export type OrderRequest = BuyRequest & { listing: Listing }

export interface PlaceOrderInput {
  offer: CheckedStatement<'offer'>
  nonce: Uint8Array
  seller: string
  request: OrderRequest
  signer: StatementSigner
  payers: readonly Payer[]
  sessions: SessionStore
  clock: Clock
  /** Without it every seller may get all of the wish's `prepay` ahead. */
  trust?: TrustLedger
  /** @default node:crypto's */
  random?: RandomBytes
  signal: AbortSignal
}

/** OFFER → ORDER: checks what is asked, opens the way to pay, signs; durable before it may be sent. */
export async function placeOrder(input: PlaceOrderInput): Promise<PlacedOrder> {
  const { offer, seller, request, signer, sessions, clock, signal } = input
  const { listing, wish } = request
  checkOffer(offer.content, {
    nonce: input.nonce,
    buyer: signer.peerId,
    listingCid: listing.cid,
    document: listing.document,
    rules: recordRulesOf(listing.document)
  })
  const from = startOf(wish, offer.content)
  const { index, entry, payer } = await choosePrice(input)
  const one = priceOfOneRecord(priceOf(entry), offer.content.maxRecordBytes)
  const orderNonce = (input.random ?? randomBytes)(16)
  const binding = sessionBinding(offer.link, signer.peerId, orderNonce)
  const rail = await payer.open(
    { terms: paymentTermsOf(entry), binding, seller, maximum: wish.maximum, one },
    { signal }
  )
  const { config, channelAuth, deposit, account, accountAuth } = rail.order
  const k = clamp(wish.k ?? entry.k ?? offer.content.k.default, offer.content.k.min, offer.content.k.max)
  const sign = (prepay: bigint): CheckedStatement<'order'> =>
    signStatement(
      signer,
      'order',
      {
        offer: offer.link,
        nonce: orderNonce,
        price: BigInt(index),
        rail: entry.rail,
        ...(config === undefined ? {} : { config: { ...config, withdrawDelay: BigInt(config.withdrawDelay) } }),
        ...(channelAuth === undefined ? {} : { channelAuth }),
        ...(deposit === undefined ? {} : { deposit }),
        ...(account === undefined ? {} : { account }),
        ...(accountAuth === undefined ? {} : { accountAuth }),
        from,
        ...(wish.quantity === undefined ? {} : { quantity: wish.quantity }),
        ...(wish.until === undefined ? {} : { until: wish.until }),
        ...(wish.duration === undefined ? {} : { duration: wish.duration }),
        k,
        prepay,
        maximum: wish.maximum
      },
      clock.wallTime()
    )
  const { statement, prepay } = await withPrepay(input, entry, rail, sign).catch(async (error: unknown) => {
    await rail.end(0n)
    throw error
  })
  const id = statement.cid
  const record: SessionRecord = {
    id,
    role: 'buyer',
    listingId: listing.id,
    listingCid: listing.cid,
    peer: seller,
    state: 'ordered',
    rail: entry.rail,
    ...(rail.channelId === undefined ? {} : { channelId: rail.channelId }),
    start: from.offset ?? 0n,
    position: 0n,
    checkpoint: startCheckpoint(statement.link),
    ...(request.sink === undefined ? {} : { sink: request.sink }),
    due: 0n,
    paid: 0n,
    credit: prepay,
    openedAt: clock.wallTime(),
    updatedAt: clock.wallTime()
  }
  try {
    await rail.begin(id, { signal })
    await sessions.put(record, { statements: [offer, statement] }, { signal })
    faultPoint('order.stored')
  } catch (error) {
    await rail.end(0n)
    await input.trust?.close({ role: 'buyer', session: id, settled: 0n, debt: 0n })
    throw error
  }
  return { session: statement.link, statement, offer, entry, payer: rail, record }
}

/** As an ORDER names it. */
function startOf(
  { from: { earliest = false, ...from }, until }: OrderWish,
  { tail, head }: Pick<Statement<'offer'>, 'tail' | 'head'>
): Statement<'order'>['from'] {
  if (!earliest) return from
  const { offset = tail } = from
  if (until !== undefined && tail >= until) {
    const have = `${tail}…${head}`
    throw new DdmError('refused', `the seller has forgotten records ${offset}…${until}, it keeps ${have}`, {
      details: { status: STATUS.offsetPruned, have, need: offset.toString() }
    })
  }
  return { offset: offset > tail ? offset : tail }
}

/** The ORDER names its prepay, and its CID is the session that the prepay is given to. */
async function withPrepay(
  { trust, seller, request, offer }: PlaceOrderInput,
  entry: OfferPrice,
  { elsewhere }: PayerSession,
  sign: (prepay: bigint) => CheckedStatement<'order'>
): Promise<{ statement: CheckedStatement<'order'>; prepay: bigint }> {
  const { prepay: cap, prepayForAll, maximum } = request.wish
  if (trust === undefined || entry.amount === 0n) return { statement: sign(cap), prepay: cap }
  let statement: CheckedStatement<'order'> | undefined
  const prepay = await trust.grant({
    role: 'buyer',
    rail: entry.rail,
    peer: seller,
    ...(entry.payTo === undefined ? {} : { account: entry.payTo }),
    one: priceOfOneRecord(priceOf(entry), offer.content.maxRecordBytes),
    cap,
    want: maximum,
    ...(prepayForAll === true ? { floor: cap } : {}),
    ...(elsewhere === undefined ? {} : { elsewhere }),
    session: (given) => {
      statement = sign(given)
      return statement.cid
    }
  })
  return { statement: statement ?? sign(prepay), prepay }
}

/** The first offered price that this wallet can pay, in the listing's order; otherwise the reasons of each. */
async function choosePrice({
  offer,
  request,
  payers,
  signal
}: PlaceOrderInput): Promise<{ index: number; entry: OfferPrice; payer: Payer }> {
  const reasons: string[] = []
  for (const [index, entry] of offer.content.prices.entries()) {
    const listed = checkOfferedPrice(request.listing.document, entry)
    const { maxPrice } = request
    if (maxPrice !== undefined && costsMore(priceOf(entry), { ...maxPrice, unit: entry.unit })) {
      throw new DdmError(
        'priceAboveLimit',
        `the seller asks ${entry.amount} per ${entry.count}, more than your limit of ${maxPrice.amount} per ${maxPrice.count}`,
        { details: { asked: entry.amount.toString(), limit: maxPrice.amount.toString() } }
      )
    }
    for (const payer of payers.filter(({ rail }) => rail === entry.rail)) {
      const { maximum } = request.wish
      const objection = await payer.objection(paymentTermsOf(entry), listed, { signal, maximum })
      if (objection === undefined) return { index, entry, payer }
      reasons.push(objection)
    }
  }
  throw new SdppError(
    STATUS.noCommonRail,
    `no offered way to pay fits this wallet: ${reasons.join('; ') || 'none offered'}`
  )
}

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  if (value < low) return low
  return value > high ? high : value
}
