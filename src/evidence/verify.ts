import { type Address, due, type Hex, type Price, type SessionRole } from '../interface/index.ts'
import {
  type CheckedStatement,
  equalBytes,
  FieldError,
  isStatementKind,
  type OfferPrice,
  readAnyStatement,
  type Statement,
  type StatementKind,
  toHex,
  transcriptStart,
  transcriptStep,
  verifyStatement
} from '../statements/index.ts'
import { type BundleContent, decodeBundle } from './bundle.ts'
import { type BundleKind, KINDS } from './export.ts'
import { atMost, broken, same } from './failure.ts'
import { type ListedTerms, readListing } from './listing.ts'
import { checkVoucher, type PaidChannel, paidChannel, type VoucherVerifier } from './voucher.ts'

export interface VerifyOptions {
  verifyVoucher: VoucherVerifier
}

/** What a bundle shows. Amounts in atomic units of `asset`. */
export interface VerifiedBundle {
  /** CID of the ORDER. */
  session: string
  role: SessionRole
  listing: Hex
  title: string
  buyer: string
  seller: string
  records: bigint
  due: bigint
  credited: bigint
  unused: bigint
  /** Root of the transcript, `0x…`. */
  root: Hex
  /** Account that paid, and where; absent on the free rail. Compare chain, escrow and asset with a network you trust. */
  payer?: Address
  payTo?: Address
  network?: string
  asset?: string
  escrow?: Address
  /** Whether the buyer acknowledged the receipt. */
  acknowledged: boolean
  statements: number
}

type Found = { [K in BundleKind]?: CheckedStatement<K> }

/** The statements that every bundle has, by kind, and those that it may have. */
interface Chain {
  offer: CheckedStatement<'offer'>
  order: CheckedStatement<'order'>
  accept: CheckedStatement<'accept'>
  receipt: CheckedStatement<'receipt'>
  invoice: CheckedStatement<'invoice'> | undefined
  ack: CheckedStatement<'receipt-ack'> | undefined
}

/**
 * Verifies a bundle from its bytes alone: no network, no ledger. Every hash, signature, link and amount is computed
 * again. What it cannot know is whether the escrow that the seller named exists: compare `network` and `escrow`.
 *
 * @example
 * ```ts
 * const { records, due, credited } = await verifyBundle(await readFile('session.car'), { verifyVoucher })
 * ```
 *
 * @throws DdmError `evidence` naming the first link that is wrong and both values
 */
export async function verifyBundle(file: Uint8Array, { verifyVoucher }: VerifyOptions): Promise<VerifiedBundle> {
  const bundle = decodeBundle(file)
  const chain = readChain(bundle)
  const listing = readListing(bundle.listingBytes)
  const { offer, order, accept, receipt } = chain
  checkPeers(chain, listing)
  checkLinks(chain, bundle, listing)
  const entry = checkTerms(offer.content, order.content, listing)
  checkAccept(accept.content, order.content, offer.content, entry)
  checkReceipt(chain, entry)
  checkTranscript(bundle, chain)
  const channel = paidChannel(order.content, entry)
  await checkPayment(chain, channel, verifyVoucher)
  const { n, due: owed, credited, unused, root } = receipt.content
  return {
    session: bundle.session.toString(),
    role: bundle.role,
    listing: offer.content.listingId,
    title: listing.title,
    buyer: order.issuer,
    seller: receipt.issuer,
    records: n,
    due: owed,
    credited,
    unused,
    root: toHex(root),
    ...paidTo(entry, channel),
    acknowledged: chain.ack !== undefined,
    statements: bundle.statements.length
  }
}

function paidTo({ network, asset, payTo }: OfferPrice, channel: PaidChannel | undefined): Partial<VerifiedBundle> {
  if (channel === undefined) return {}
  return {
    payer: channel.config.payer,
    escrow: channel.escrow,
    ...(network === undefined ? {} : { network }),
    ...(asset === undefined ? {} : { asset }),
    ...(payTo === undefined ? {} : { payTo })
  }
}

/** Statements by kind, form and signature checked. */
function readChain(bundle: BundleContent): Chain {
  const found: Found = {}
  for (const [index, { payload, signature, link }] of bundle.statements.entries()) {
    let statement: CheckedStatement<StatementKind>
    try {
      statement = readAnyStatement(payload, signature)
    } catch (error) {
      if (!(error instanceof FieldError)) throw error
      throw broken(`statement ${index}`, 'a well-formed statement', error.message, error)
    }
    const { kind } = statement
    if (!(KINDS as readonly string[]).includes(kind) || !isStatementKind(kind)) {
      throw broken(`statement ${index} → kind`, KINDS.join(', '), kind)
    }
    same(`${kind} → CID`, statement.cid, link.toString())
    if (Object.hasOwn(found, kind)) throw broken(`${kind}`, 'one', 'two')
    if (!verifyStatement(statement)) {
      throw broken(`${kind} → signature`, `a signature of ${statement.issuer}`, toHex(signature))
    }
    Object.assign(found, { [kind]: statement })
  }
  return {
    offer: needed(found, 'offer'),
    order: needed(found, 'order'),
    accept: needed(found, 'accept'),
    receipt: needed(found, 'receipt'),
    invoice: found.invoice,
    ack: found['receipt-ack']
  }
}

function needed<K extends BundleKind>(found: Found, kind: K): NonNullable<Found[K]> {
  const statement = found[kind]
  if (statement === undefined) throw broken(kind, 'one', undefined)
  return statement
}

/** Who may sign what: the listing names the seller's keys, the offer names the buyer. */
function checkPeers({ offer, order, accept, invoice, receipt, ack }: Chain, listing: ListedTerms): void {
  const signers = [listing.seller.peerId, ...(listing.signers ?? [])]
  if (!signers.includes(offer.issuer)) throw broken('offer → signer', signers.join(' or '), offer.issuer)
  for (const statement of [accept, invoice, receipt]) {
    if (statement !== undefined) same(`${statement.kind} → signer`, offer.issuer, statement.issuer)
  }
  for (const statement of [order, ack]) {
    if (statement !== undefined) same(`${statement.kind} → signer`, offer.content.buyer, statement.issuer)
  }
}

function checkLinks(
  { offer, order, accept, invoice, receipt, ack }: Chain,
  bundle: BundleContent,
  listing: ListedTerms
): void {
  same('bundle → session', order.cid, bundle.session.toString())
  same('offer → listing', bundle.listing.toString(), offer.content.listing.toString())
  same('offer → listing ID', listing.id, offer.content.listingId)
  same('order → offer', offer.cid, order.content.offer.toString())
  for (const statement of [accept, invoice, receipt, ack]) {
    if (statement !== undefined) same(`${statement.kind} → session`, order.cid, statement.content.session.toString())
  }
  if (ack !== undefined) same('receipt-ack → receipt', receipt.cid, ack.content.receipt.toString())
}

function priceOf({ amount, count, unit }: OfferPrice): Price {
  return { amount, count, unit }
}

/** The price that was ordered: one of the offer's, and no more than the listing says. */
function checkTerms(offer: Statement<'offer'>, order: Statement<'order'>, listing: ListedTerms): OfferPrice {
  const entry = order.price < BigInt(offer.prices.length) ? offer.prices[Number(order.price)] : undefined
  if (entry === undefined) throw broken('order → price', `one of ${offer.prices.length}`, order.price)
  same('order → rail', entry.rail, order.rail)
  if (entry.count < 1n) throw broken('offer → price', 'per 1 or more', `per ${entry.count}`)
  const listed = listing.payment.filter(
    ({ rail, network, asset, price }) =>
      rail === entry.rail && network === entry.network && asset === entry.asset && price.unit === entry.unit
  )
  const wanted = listed.find(({ payTo }) => payTo === entry.payTo)
  if (wanted === undefined) {
    const named = listed.map(({ payTo }) => payTo ?? 'nobody').join(' or ')
    throw broken('offer → payTo', named === '' ? `a way to pay of the listing` : named, entry.payTo)
  }
  const { amount, count, unit } = wanted.price
  if (entry.amount * count > BigInt(amount) * entry.count) {
    throw broken(
      'offer → price',
      `at most the listing's ${amount} per ${count} ${unit}`,
      `${entry.amount} per ${entry.count} ${entry.unit}`
    )
  }
  same('offer → free from', listing.freeRange?.from, offer.free?.from)
  same('offer → free to', listing.freeRange?.to, offer.free?.to)
  if (order.k < offer.k.min || order.k > offer.k.max)
    throw broken('order → k', `${offer.k.min} … ${offer.k.max}`, order.k)
  return entry
}

function checkAccept(
  accept: Statement<'accept'>,
  order: Statement<'order'>,
  offer: Statement<'offer'>,
  entry: OfferPrice
): void {
  same('accept → epoch', offer.epoch, accept.epoch)
  atMost('accept → k', order.k, accept.k)
  atMost('accept → ahead', order.prepay, accept.ahead)
  atMost('accept → credit', entry.credit, accept.credit)
  if (order.from.offset !== undefined) same('accept → start', order.from.offset, accept.start)
  if (order.quantity !== undefined) {
    const end = accept.start + order.quantity
    same('accept → until', order.until !== undefined && order.until < end ? order.until : end, accept.until)
  } else same('accept → until', order.until, accept.until)
}

/** Billable records among the first n of the session. */
function billable(n: bigint, start: bigint, free: Statement<'offer'>['free']): bigint {
  if (free === undefined) return n
  const from = free.from > start ? free.from : start
  const to = free.to < start + n ? free.to : start + n
  return to > from ? n - (to - from) : n
}

function checkReceipt({ offer, order, accept, invoice, receipt }: Chain, entry: OfferPrice): void {
  const { start, until } = accept.content
  const { n, credited, unused } = receipt.content
  if (until !== undefined) atMost('receipt → n', until - start, n)
  for (const statement of [invoice, receipt]) {
    if (statement === undefined) continue
    const { n: at, bytes, due: stated } = statement.content
    const records = billable(at, start, offer.content.free)
    same(`${statement.kind} → due`, due(priceOf(entry), { n: at, records, bytes }), stated)
  }
  atMost('receipt → due', order.content.maximum, receipt.content.due)
  atMost('receipt → credited', order.content.maximum, credited)
  same('receipt → unused', credited > receipt.content.due ? credited - receipt.content.due : 0n, unused)
  if (invoice === undefined) return
  atMost('invoice → n', n, invoice.content.n)
  atMost('invoice → credited', credited, invoice.content.credited)
  if (invoice.content.n === n) same('invoice → root', toHex(receipt.content.root), toHex(invoice.content.root))
}

/** Every part follows the one before, they add up to n, and their root is the one that was signed. */
function checkTranscript({ session, parts }: BundleContent, { accept, receipt }: Chain): void {
  const { n, root } = receipt.content
  let next = accept.content.start
  let c = transcriptStart(session.bytes)
  for (const [index, part] of parts.entries()) {
    same(`part ${index} → first`, next, part.first)
    next += BigInt(part.count)
    c = transcriptStep(c, part)
  }
  same('parts → records', n, next - accept.content.start)
  if (!equalBytes(c, root)) throw broken('receipt → root', toHex(c), toHex(root))
}

/** The buyer's own vouchers cover what the seller says it credited. */
async function checkPayment(
  { accept, receipt }: Chain,
  channel: PaidChannel | undefined,
  verifyVoucher: VoucherVerifier
): Promise<void> {
  const { base = 0n, proof: before } = accept.content
  const { credited, proof } = receipt.content
  if (channel === undefined) {
    same('receipt → credited', 0n, credited)
    same('receipt → proof', undefined, proof === undefined ? undefined : 'a voucher on the free rail')
    return
  }
  if (before !== undefined) await checkVoucher('accept → proof', before, base, channel, verifyVoucher)
  else same('accept → base', 0n, base)
  if (proof !== undefined) await checkVoucher('receipt → proof', proof, base + credited, channel, verifyVoucher)
  else if (credited > 0n) throw broken('receipt → proof', `a voucher of at least ${base + credited}`, undefined)
}
