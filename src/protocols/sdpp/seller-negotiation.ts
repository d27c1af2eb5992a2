import { randomBytes } from 'node:crypto'
import { CID } from 'multiformats/cid'
import {
  type BuyerGate,
  due,
  faultPoint,
  type Gas,
  type Logger,
  type Payee,
  type PayeeSession,
  type PaymentTerms,
  priceOfOneRecord,
  type RailName,
  type RandomBytes,
  type SessionRecord,
  type SessionStore,
  type TrustLedger,
  type TrustRequest
} from '../../interface/index.ts'
import {
  type CheckedStatement,
  type OfferPrice,
  type StatementFields,
  type StatementSigner,
  signStatement,
  type Transcript
} from '../../statements/index.ts'
import type { SessionTerms } from './account.ts'
import { sessionBinding } from './binding.ts'
import { creditOf, type Product } from './catalog.ts'
import type { Clock } from './clock.ts'
import { MAX_MENU_PAGES, MENU_PAGE, OFFER_TTL_SECONDS, RESUME_TTL_SECONDS, SDPP_VERSION } from './constants.ts'
import { admit } from './gate.ts'
import type { Plain } from './messages.ts'
import {
  agreeOnWindow,
  channelOf,
  checkOrder,
  endOf,
  offerPriceOf,
  payerOf,
  paymentTermsOf,
  sessionTerms
} from './negotiation.ts'
import { recordRulesOf } from './record-rules.ts'
import type { SellerStanding } from './seller-state.ts'
import { SdppError, STATUS } from './status.ts'
import { startCheckpoint } from './stored-session.ts'

export interface SellerNegotiationComponents {
  buyer: string
  signer: StatementSigner
  products: () => readonly Product[]
  sessions: SessionStore
  clock: Clock
  logger: Logger
  /** Without it every buyer gets all of the product's `credit`. */
  trust?: TrustLedger
  /** Without it everybody may buy. */
  gate?: BuyerGate
  /** @default node:crypto's */
  random?: RandomBytes
}

export interface AcceptedOrder {
  session: CID
  product: Product
  terms: SessionTerms
  rail: PayeeSession
  accept: CheckedStatement<'accept'>
  record: SessionRecord
  /** ms after which the session ends by itself. */
  duration: bigint | undefined
  /** Nobody takes it after all: what was promised and given to it is free for others. */
  giveBack: () => Promise<void>
  /** What other sessions of the buyer owe leaves it no window: credit as policy has it now, as long as nothing else gives it. */
  askCredit?: () => Promise<bigint>
  /** Where it stands, when it was cut. */
  resumed?: SellerStanding & { transcript: Transcript; receipt: CheckedStatement<'receipt'> | undefined }
}

type Answer =
  | { name: 'MENU'; statement: CheckedStatement<'menu'> }
  | { name: 'OFFER'; statement: CheckedStatement<'offer'> }

interface MadeOffer {
  statement: CheckedStatement<'offer'>
  product: Product
  payees: Payee[]
  /** Monotonic ms. */
  madeAt: number
}

/** HELLO → MENU or OFFER, ORDER → ACCEPT: everything before the first record. */
export class SellerNegotiation {
  readonly #components: SellerNegotiationComponents
  #offer: MadeOffer | undefined
  #menuPages = 0

  constructor(components: SellerNegotiationComponents) {
    this.#components = components
  }

  /** Answers once; an offer is valid on its own stream only. */
  async hello(hello: Plain<'HELLO'>): Promise<Answer> {
    if (this.#offer !== undefined) throw new SdppError(STATUS.unexpected, 'a second HELLO')
    if (!hello.versions.includes(SDPP_VERSION)) {
      throw new SdppError(
        STATUS.versionUnsupported,
        `versions ${hello.versions.join(', ')} are not spoken here, only ${SDPP_VERSION}`
      )
    }
    return hello.listing === undefined ? this.#menu(hello) : await this.#makeOffer(hello, hello.listing)
  }

  #menu(hello: Plain<'HELLO'>): Answer {
    if (++this.#menuPages > MAX_MENU_PAGES) throw new SdppError(STATUS.busy, 'too many menu pages on one stream')
    const { gate, buyer } = this.#components
    const products = this.#components
      .products()
      .filter(({ listing }) => listing.status === 'active' && (gate === undefined || gate.greets(buyer, listing.id)))
    const after = Number(hello.after ?? 0n)
    const listings = products.slice(after, after + MENU_PAGE).flatMap(({ listing, log }) => {
      const payment = listing.document.payment[0]
      if (payment === undefined) return []
      const { rail, asset, price } = payment
      return [
        {
          cid: CID.parse(listing.cid),
          id: listing.id,
          title: listing.document.title.slice(0, 200),
          rail,
          amount: BigInt(price.amount),
          count: BigInt(price.count),
          unit: price.unit,
          ...(asset === undefined ? {} : { asset }),
          ...(log.finished ? { records: log.head - log.tail } : {})
        }
      ]
    })
    const more = after + MENU_PAGE < products.length
    const fields = { nonce: hello.nonce, listings, ...(more ? { next: BigInt(after + MENU_PAGE) } : {}) }
    return { name: 'MENU', statement: this.#sign('menu', fields) }
  }

  async #makeOffer(hello: Plain<'HELLO'>, wanted: CID): Promise<Answer> {
    const product = this.#components.products().find(({ listing }) => listing.cid === wanted.toString())
    if (product === undefined) {
      throw new SdppError(
        STATUS.unknownListing,
        `this seller does not sell ${wanted}; its listing may have a newer version`
      )
    }
    const { listing, log } = product
    if (listing.status !== 'active')
      throw new SdppError(STATUS.unknownListing, `listing ${wanted} is ${listing.status}`)
    const { gate, buyer } = this.#components
    if (gate !== undefined && !gate.greets(buyer, listing.id)) {
      throw new SdppError(STATUS.forbidden, 'this buyer is not served')
    }
    const ways = this.#ways(product, hello.pay)
    if (ways.length === 0) {
      throw new SdppError(STATUS.noCommonRail, 'no way to pay of this listing is among those of the buyer')
    }
    const { freeRange } = listing.document
    const { maxRecordBytes, schema } = recordRulesOf(listing.document)
    const prices = await Promise.all(
      ways.map(async ({ terms }) => offerPriceOf(terms, await this.#offerable(product, terms, maxRecordBytes)))
    )
    const statement = this.#sign('offer', {
      listing: CID.parse(listing.cid),
      listingId: listing.id,
      version: BigInt(listing.version),
      buyer: this.#components.buyer,
      nonce: hello.nonce,
      salt: (this.#components.random ?? randomBytes)(16),
      prices,
      k: product.k,
      epoch: log.epoch,
      tail: log.tail,
      head: log.head,
      finished: log.finished,
      ...(freeRange === undefined ? {} : { free: { from: BigInt(freeRange.from), to: BigInt(freeRange.to) } }),
      ...(schema === undefined ? {} : { schema }),
      maxRecordBytes,
      resumeTtl: RESUME_TTL_SECONDS,
      ttl: OFFER_TTL_SECONDS
    })
    this.#offer = { statement, product, payees: ways.map(({ payee }) => payee), madeAt: this.#components.clock.now() }
    return { name: 'OFFER', statement }
  }

  /** What this buyer may be given, by its peer ID alone: the account that pays is not known before ORDER. */
  async #offerable(product: Product, { rail, price }: PaymentTerms, maxRecordBytes: bigint): Promise<bigint> {
    const { trust, buyer } = this.#components
    if (trust === undefined || price.amount === 0n) return creditOf(product, rail)
    return trust.offerable(creditRequest(product, rail, buyer, priceOfOneRecord(price, maxRecordBytes)))
  }

  #ways(product: Product, pay: Plain<'HELLO'>['pay']): Array<{ payee: Payee; terms: PaymentTerms }> {
    return product.listing.document.payment.flatMap((payment) => {
      const common = pay.some(
        ({ rail, network, asset }) => rail === payment.rail && network === payment.network && asset === payment.asset
      )
      const payee = common ? product.payees.find(({ rail }) => rail === payment.rail) : undefined
      const terms = payee?.terms(payment)
      return payee === undefined || terms === undefined ? [] : [{ payee, terms }]
    })
  }

  async order(statement: CheckedStatement<'order'>, signal: AbortSignal): Promise<AcceptedOrder> {
    const { buyer, clock, gate } = this.#components
    const made = this.#offer
    if (made === undefined) throw new SdppError(STATUS.unexpected, 'ORDER before OFFER')
    const { product, statement: offer, payees } = made
    const order = statement.content
    const expired = clock.now() - made.madeAt > Number(offer.content.ttl) * 1000
    const entry = checkOrder({ ...offer.content, cid: offer.cid }, order, buyer, expired)
    agreeOnWindow(entry, order, offer.content.maxRecordBytes)
    const start = await this.#startOf(product, order.from)
    const end = endOf(order, start)
    const asking = { peerId: buyer, listing: product.listing.id }
    let isAsked = false
    const authorize = (): Promise<void> => {
      isAsked = true
      return admit(gate, { ...asking, ...payerOf(order) }, signal)
    }
    const rail = await (payees[Number(order.price)] as Payee).accept(
      {
        terms: paymentTermsOf(entry),
        binding: sessionBinding(offer.link, buyer, order.nonce),
        order: {
          rail: order.rail,
          ...channelOf(order),
          ...(order.channelAuth === undefined ? {} : { channelAuth: order.channelAuth }),
          ...(order.deposit === undefined ? {} : { deposit: order.deposit }),
          ...(order.account === undefined ? {} : { account: order.account }),
          ...(order.accountAuth === undefined ? {} : { accountAuth: order.accountAuth })
        },
        buyer,
        maximum: order.maximum,
        authorize
      },
      { signal }
    )
    try {
      // A rail without accounts asks for none, whatever the order names.
      if (!isAsked) await admit(gate, asking, signal)
      return await this.#accept(made, statement, entry, { start, end }, rail, signal)
    } catch (error) {
      await this.#withdraw(rail, statement.cid)
      throw error
    }
  }

  async #withdraw(rail: PayeeSession, session: string): Promise<void> {
    await rail.end(0n, 0n)
    await this.#components.trust?.close({ role: 'seller', session, settled: 0n, debt: 0n })
  }

  async #accept(
    { product, statement: offer }: MadeOffer,
    statement: CheckedStatement<'order'>,
    entry: OfferPrice,
    range: { start: bigint; end: bigint | undefined },
    rail: PayeeSession,
    signal: AbortSignal
  ): Promise<AcceptedOrder> {
    const { buyer, clock, sessions } = this.#components
    const { start, end } = range
    const order = statement.content
    const session = statement.link
    await rail.begin(session.toString(), { signal })
    const { maxRecordBytes } = offer.content
    const credit = await this.#grant(product, statement, entry, rail, maxRecordBytes)
    const granted = { start, ...agreeOnWindow({ ...entry, credit }, order, maxRecordBytes) }
    const fields: StatementFields<'accept'> = {
      session,
      epoch: product.log.epoch,
      ...granted,
      ...(end === undefined ? {} : { until: end }),
      ...(rail.base === undefined ? {} : { base: rail.base }),
      ...(rail.proof === undefined ? {} : { proof: rail.proof }),
      ...gasFor(rail, granted.ahead)
    }
    const accept = this.#sign('accept', fields)
    const terms = sessionTerms(entry, offer.content, order, fields)
    const record: SessionRecord = {
      id: session.toString(),
      role: 'seller',
      listingId: product.listing.id,
      listingCid: product.listing.cid,
      peer: buyer,
      state: 'streaming',
      rail: order.rail,
      ...(rail.channelId === undefined ? {} : { channelId: rail.channelId }),
      start,
      position: 0n,
      checkpoint: startCheckpoint(session),
      due: 0n,
      paid: 0n,
      credit,
      openedAt: clock.wallTime(),
      updatedAt: clock.wallTime()
    }
    await sessions.put(record, { statements: [offer, statement, accept] }, { signal })
    faultPoint('accept.stored')
    const giveBack = (): Promise<void> => this.#withdraw(rail, record.id)
    return { session, product, terms, rail, accept, record, duration: order.duration, giveBack }
  }

  /** Durable before ACCEPT is sent: a buyer with many peer IDs, or many accounts, gets no window with each. */
  async #grant(
    product: Product,
    { cid, content }: CheckedStatement<'order'>,
    entry: OfferPrice,
    rail: PayeeSession,
    maxRecordBytes: bigint
  ): Promise<bigint> {
    const { trust, buyer } = this.#components
    const price = { amount: entry.amount, count: entry.count, unit: entry.unit }
    if (trust === undefined || price.amount === 0n) return entry.credit
    const { maximum, quantity } = content
    const { account } = payerOf(content)
    const cost = quantity === undefined ? maximum : due(price, { n: quantity, records: quantity, bytes: 0n })
    return trust.grant({
      ...creditRequest(product, entry.rail, buyer, priceOfOneRecord(price, maxRecordBytes)),
      cap: entry.credit,
      session: cid,
      ...(account === undefined ? {} : { account }),
      covered: rail.covered,
      want: price.unit === 'record' && cost < maximum ? cost : maximum
    })
  }

  async #startOf({ log }: Product, from: CheckedStatement<'order'>['content']['from']): Promise<bigint> {
    if (from.live === true) return log.head
    const start = from.offset ?? (await log.offsetAt(Number(from.time ?? 0n)))
    if (start < log.tail || start > log.head) {
      throw new SdppError(STATUS.offsetPruned, `offset ${start} is not within ${log.tail}…${log.head}`, {
        details: { have: `${log.tail}…${log.head}`, need: start.toString() }
      })
    }
    return start
  }

  #sign<K extends 'menu' | 'offer' | 'accept'>(kind: K, fields: StatementFields<K>): CheckedStatement<K> {
    return signStatement(this.#components.signer, kind, fields, this.#components.clock.wallTime())
  }
}

/** What is paid ahead is asked for by ACCEPT; how much of it in a session that goes on, the buyer knows. */
export function gasFor(rail: PayeeSession, ahead: bigint): { gas?: Gas } {
  const { credited } = rail
  const gas = ahead === 0n ? undefined : rail.offerGas?.(credited === 0n ? ahead : credited)
  return gas === undefined ? {} : { gas }
}

function creditRequest(
  product: Product,
  rail: RailName,
  peer: string,
  one: bigint
): Pick<TrustRequest, 'role' | 'rail' | 'peer' | 'one' | 'cap'> & { floor?: bigint } {
  const cap = creditOf(product, rail)
  return { role: 'seller', rail, peer, one, cap, ...(product.creditForAll === true ? { floor: cap } : {}) }
}
