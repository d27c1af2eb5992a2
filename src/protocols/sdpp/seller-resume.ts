import {
  type AbortOptions,
  DdmError,
  due,
  faultPoint,
  type Payee,
  type PayeeSession,
  type Progress,
  priceOfOneRecord,
  type SessionRecord,
  type VoucherPayload
} from '../../interface/index.ts'
import {
  type CheckedStatement,
  equalBytes,
  type OfferPrice,
  type StatementFields,
  signStatement,
  Transcript
} from '../../statements/index.ts'
import type { SessionTerms } from './account.ts'
import { creditOf, type Product } from './catalog.ts'
import { MAX_UNSTORED_BYTES } from './constants.ts'
import { admit } from './gate.ts'
import type { Plain } from './messages.ts'
import { channelOf, checkResume, payerOf, paymentTermsOf, sessionTerms } from './negotiation.ts'
import { replay } from './replay.ts'
import { type AcceptedOrder, gasFor, type SellerNegotiationComponents } from './seller-negotiation.ts'
import type { SellerStanding } from './seller-state.ts'
import { SdppError, STATUS } from './status.ts'
import { checkpointBefore, isResumable, isSettled, readSession, type StoredSession } from './stored-session.ts'

export interface SellerResumeComponents extends SellerNegotiationComponents {
  /** Ends an older stream of the session and resolves when what it held is stored. */
  takeOver: (sessionId: string) => Promise<void>
}

/** RESUME → ACCEPT: the session as the ledger and the log have it, at the position that the buyer names. */
export async function resumeSession(
  resume: Plain<'RESUME'>,
  components: SellerResumeComponents,
  signal: AbortSignal
): Promise<AcceptedOrder> {
  const id = resume.session.toString()
  await components.takeOver(id)
  const stored = await readSession(components.sessions, id, 'seller', { signal })
  const known = checkKnown(stored, resume, components)
  const product = productOf(known, components)
  const { session, record, order, offer, accept, receipt } = known
  const asking = { peerId: components.buyer, listing: record.listingId, ...payerOf(order.content) }
  await admit(components.gate, asking, signal)
  const entry = offer.content.prices[Number(order.content.price)]
  if (entry === undefined) throw new SdppError(STATUS.internal, 'internal error')
  // As of the order: an ACCEPT in between may have given less, or more been given since.
  const agreed = { ...sessionTerms(entry, offer.content, order.content, accept.content), credit: record.credit }
  const source = { log: product.log, terms: agreed, clock: components.clock }
  const from = await checkpointBefore(components.sessions, known, resume.position, { signal })
  const transcript = new Transcript(session.bytes, from.root)
  const { progress, checkpoint } = await replay(source, transcript, from, resume.position, { signal })
  const settled = isSettled(known)
  const payee = product.payees.find(({ rail }) => rail === order.content.rail)
  if (!equalBytes(transcript.root(), resume.root)) {
    if (!settled && payee !== undefined) await endDisputed(payee, known, progress, agreed, components)
    await components.sessions.put({ ...record, state: 'disputed', updatedAt: components.clock.wallTime() })
    throw new SdppError(STATUS.transcriptMismatch, `root at ${resume.position} differs`)
  }
  if (payee === undefined) throw new SdppError(STATUS.noCommonRail, `rail ${order.content.rail} is not served any more`)
  const rail = settled && receipt !== undefined ? settledRail(receipt) : await openRail(payee, known, { signal })
  try {
    await present(rail, resume, settled)
    checkResume(agreed, progress, rail.credited)
    const standing = standingAt(known, progress, rail.credited)
    const credit = settled ? agreed.credit : await reopen(known, product, rail, agreed, components)
    try {
      const waits = await isForOthers(known, { ...agreed, credit }, components)
      const { accept, terms } = answer(known, entry, rail, { ...agreed, credit }, components)
      const now = components.clock.wallTime()
      const taken: SessionRecord = { ...record, checkpoint, state: 'streaming', updatedAt: now }
      await keep(taken, settled ? undefined : accept, record, components, signal)
      const resumed = { ...standing, transcript, receipt }
      return {
        session,
        product,
        terms,
        rail,
        accept,
        record: taken,
        duration: remaining(known, now),
        resumed,
        ...(waits && { askCredit: () => reopen(known, product, rail, agreed, components) }),
        giveBack: async () => {
          await components.sessions.put(record)
          await giveBack(known, standing, agreed, components)
          await rail.suspend()
        }
      }
    } catch (error) {
      await giveBack(known, standing, agreed, components)
      throw error
    }
  } catch (error) {
    await rail.suspend()
    throw error
  }
}

function answer(
  known: KnownSession,
  entry: OfferPrice,
  rail: PayeeSession,
  agreed: SessionTerms,
  { signer, clock }: SellerNegotiationComponents
): Pick<AcceptedOrder, 'accept' | 'terms'> {
  const { offer, order, receipt } = known
  const fields = acceptFields(known, rail, agreed)
  const accept = signStatement(signer, 'accept', fields, clock.wallTime())
  const whole = sessionTerms(entry, offer.content, order.content, fields)
  // One that has ended goes as far as its receipt.
  return { accept, terms: receipt === undefined ? whole : { ...whole, end: whole.start + receipt.content.n } }
}

/**
 * When the stream has ended meanwhile nobody takes the session any more, and it stays as it was.
 *
 * @param accept - undefined for a session that is settled: it is verified with the base that the one before names
 */
async function keep(
  taken: SessionRecord,
  accept: CheckedStatement<'accept'> | undefined,
  before: SessionRecord,
  { sessions }: SellerNegotiationComponents,
  signal: AbortSignal
): Promise<void> {
  signal.throwIfAborted()
  await sessions.put(taken, accept === undefined ? {} : { statements: [accept], replaces: ['accept'] })
  faultPoint('resume.verified')
  if (signal.aborted) await sessions.put(before)
  signal.throwIfAborted()
}

/** The credit that was given anew; what the buyer got before and has not paid for stays its debt. */
async function giveBack(
  { record }: KnownSession,
  { sent, dueBefore, credited }: SellerStanding,
  { price }: SessionTerms,
  { trust }: SellerNegotiationComponents
): Promise<void> {
  const owed = due(price, sent)
  const most = owed > dueBefore ? owed : dueBefore
  const debt = most > credited ? most - credited : 0n
  await trust?.close({ role: 'seller', session: record.id, settled: 0n, debt })
}

type KnownSession = StoredSession & { accept: CheckedStatement<'accept'> }

function checkKnown(
  stored: StoredSession | undefined,
  { session, position }: Plain<'RESUME'>,
  { buyer }: SellerNegotiationComponents
): KnownSession {
  const { accept, record } = stored ?? {}
  if (stored === undefined || accept === undefined || record === undefined || record.peer !== buyer) {
    throw new SdppError(STATUS.unknownSession, `session ${session} of ${buyer} is not known here; order anew`)
  }
  // However old it is: a clock may be wrong. Whoever gives sessions up says so in their state.
  if (!isResumable(record)) {
    throw new SdppError(STATUS.unknownSession, `session ${session} is ${record.state}; order anew`)
  }
  const most = stored.receipt?.content.n ?? mostSent(record)
  if (position > most) {
    throw new SdppError(STATUS.unexpected, `position ${position} is beyond the ${most} records that were sent`)
  }
  return { ...stored, accept }
}

/** Where a session stands is stored when it is cut. A crash may have lost the last of it: a record is a length at least. */
function mostSent({ state, position }: SessionRecord): bigint {
  return state === 'streaming' ? position + BigInt(MAX_UNSTORED_BYTES / 4) : position
}

/** The listing may have a newer version by now: what counts is that the offsets still mean the same. */
function productOf({ record, accept }: KnownSession, { products }: SellerNegotiationComponents): Product {
  const product = products().find(({ listing }) => listing.id === record.listingId)
  if (product === undefined) {
    throw new SdppError(STATUS.unknownListing, `listing ${record.listingId} is not sold here any more`)
  }
  if (product.log.epoch !== accept.content.epoch) {
    throw new SdppError(
      STATUS.offsetPruned,
      `the log is in epoch ${product.log.epoch}, the session's offsets are of epoch ${accept.content.epoch}`
    )
  }
  return product
}

/** Nobody takes it up again: what was kept for it is free. A dispute gives nothing back, whatever position it names. */
async function endDisputed(
  payee: Payee,
  known: KnownSession,
  progress: Progress,
  agreed: SessionTerms,
  components: SellerNegotiationComponents
): Promise<void> {
  const rail = await openRail(payee, known, { toEnd: true })
  const { credited } = rail
  const { dueBefore } = standingAt(known, progress, credited)
  const owed = due(agreed.price, progress)
  const most = owed > dueBefore ? owed : dueBefore
  await rail.end(most, credited)
  const [settled, debt] = credited < most ? [credited, most - credited] : [most, 0n]
  await components.trust?.close({ role: 'seller', session: known.record.id, settled, debt })
}

async function openRail(
  payee: Payee,
  known: KnownSession,
  { toEnd = false, signal }: { toEnd?: boolean } & AbortOptions
): Promise<PayeeSession> {
  const { record, order, offer } = known
  const entry = offer.content.prices[Number(order.content.price)] as (typeof offer.content.prices)[number]
  try {
    return await payee.resume(
      {
        sessionId: record.id,
        ...(record.channelId === undefined ? {} : { channelId: record.channelId }),
        terms: paymentTermsOf(entry),
        peer: record.peer,
        maximum: order.content.maximum,
        ...(order.content.account === undefined ? {} : { account: order.content.account }),
        ...channelOf(order.content),
        toEnd
      },
      { ...(signal === undefined ? {} : { signal }) }
    )
  } catch (error) {
    if (!(error instanceof DdmError) || error.code !== 'notFound') throw error
    throw new SdppError(STATUS.unknownSession, `session ${record.id} has no payments here; order anew`, {
      cause: error
    })
  }
}

/**
 * A voucher that was lost with the stream counts before anything is decided. One that the channel covers no longer does when
 * it comes again with a deposit: what it held was given back, or taken, while the buyer was away.
 */
async function present(rail: PayeeSession, { paid, payload }: Plain<'RESUME'>, settled: boolean): Promise<void> {
  if (settled || payload === undefined || paid <= rail.credited || rail.exceeds?.(paid) === true) return
  const problem = rail.verify(paid, payload)
  if (problem !== undefined) throw new SdppError(STATUS.paymentInvalid, problem)
  await rail.credit(paid, payload)
}

/** Credit as policy has it now; never more than was agreed to. */
async function reopen(
  { record, offer, order }: KnownSession,
  product: Product,
  rail: PayeeSession,
  { price, credit }: SessionTerms,
  { trust }: SellerNegotiationComponents
): Promise<bigint> {
  if (trust === undefined || price.amount === 0n) return credit
  const one = priceOfOneRecord(price, offer.content.maxRecordBytes)
  const floor = product.creditForAll === true ? { floor: creditOf(product, order.content.rail) } : {}
  try {
    return await trust.reopen({ role: 'seller', session: record.id, one, cap: credit, covered: rail.covered, ...floor })
  } catch (error) {
    if (error instanceof DdmError && error.code === 'notFound') return credit
    throw error
  }
}

/** Whether not one record fits into the window because of what other sessions of the buyer owe. */
async function isForOthers(
  { record, offer, order, receipt }: KnownSession,
  { price, credit, ahead }: SessionTerms,
  { trust, buyer }: SellerResumeComponents
): Promise<boolean> {
  const one = priceOfOneRecord(price, offer.content.maxRecordBytes)
  if (receipt !== undefined || price.amount === 0n || credit + ahead >= one) return false
  const { account } = payerOf(order.content)
  const who = { peer: buyer, rail: record.rail, ...(account === undefined ? {} : { account }) }
  return trust !== undefined && (await trust.owed('seller', who, record.id)) > 0n
}

function acceptFields(
  { session, accept }: KnownSession,
  rail: PayeeSession,
  { k, credit, ahead }: SessionTerms
): StatementFields<'accept'> {
  const { start, epoch, until } = accept.content
  return {
    session,
    start,
    epoch,
    ...(until === undefined ? {} : { until }),
    k,
    credit,
    ahead,
    ...(rail.base === undefined ? {} : { base: rail.base }),
    ...(rail.proof === undefined ? {} : { proof: rail.proof }),
    ...gasFor(rail, ahead),
    credited: rail.credited
  }
}

/**
 * Where the session stood. The last positions may have been lost in a crash, what was paid was not. Then all that is paid for
 * counts as sent: whoever says that it is missing is sent it again before anything ends. Otherwise a buyer pays no more than
 * `ahead` for records that it has not received.
 */
function standingAt({ record, accept, receipt }: KnownSession, sent: Progress, credited: bigint): SellerStanding {
  const { position, due, state } = record
  const sentBefore = position > sent.n ? position : sent.n
  const received = state === 'streaming' ? credited : credited - accept.content.ahead
  if (receipt === undefined) return { sent, sentBefore, dueBefore: received > due ? received : due, credited }
  const { n, due: owed, reason } = receipt.content
  return { sent, sentBefore: n, dueBefore: owed, credited, reason: Number(reason) }
}

/** A duration runs on while the buyer is away. */
function remaining({ record, order }: KnownSession, now: number): bigint | undefined {
  const { duration } = order.content
  if (duration === undefined) return undefined
  const left = BigInt(record.openedAt) + duration - BigInt(now)
  return left > 0n ? left : 0n
}

/**
 * Of a session that ended and owes nothing only records and receipt are asked for. A buyer that does not know of the receipt
 * may still pay ahead: that is no fault, and counts for nothing.
 */
function settledRail({ content }: CheckedStatement<'receipt'>): PayeeSession {
  const { credited } = content
  const proof: VoucherPayload | undefined = content.proof
  return {
    base: undefined,
    proof,
    credited,
    covered: 0n,
    available: () => undefined,
    begin: async () => {},
    verify: () => undefined,
    credit: async () => {},
    suspend: async () => {},
    end: async () => proof
  }
}
