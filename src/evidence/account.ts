import { billableRecords, due, type Price } from '../interface/index.ts'
import {
  equalBytes,
  type OfferPrice,
  type Statement,
  toHex,
  transcriptStart,
  transcriptStep
} from '../statements/index.ts'
import type { BundleContent } from './bundle.ts'
import type { Chain } from './chain.ts'
import { atMost, broken, same } from './failure.ts'
import { checkVoucher, type PaidChannel, type VoucherVerifier } from './voucher.ts'

/** How far the session came, as the seller signed it last: RECEIPT, else INVOICE and what a resumed ACCEPT credits. */
export type Standing = Pick<Statement<'invoice'>, 'n' | 'bytes' | 'due' | 'credited'> & { root?: Uint8Array }

const NOTHING = { n: 0n, bytes: 0n, due: 0n, credited: 0n, root: undefined }

export function standingOf({ accept, receipt, invoice }: Chain): Standing {
  if (receipt !== undefined) return receipt.content
  const { n, bytes, due: owed, credited: invoiced, root } = invoice?.content ?? NOTHING
  const { credited: resumed = 0n } = accept.content
  return {
    n,
    bytes,
    due: owed,
    credited: resumed > invoiced ? resumed : invoiced,
    ...(root === undefined ? {} : { root })
  }
}

export function priceOf({ amount, count, unit }: OfferPrice): Price {
  return { amount, count, unit }
}

/** Every amount is computed again. Unpaid debt is no fault of the statements: due > credited is what a RECEIPT is for, too. */
export function checkAccount({ offer, order, accept, invoice, receipt }: Chain, entry: OfferPrice): void {
  const { start, until, credited: before = 0n } = accept.content
  for (const statement of [invoice, receipt]) {
    if (statement === undefined) continue
    const { kind } = statement
    const { n, bytes, due: stated, credited } = statement.content
    if (until !== undefined) atMost(`${kind} → n`, until > start ? until - start : 0n, n)
    const records = billableRecords(n, start, offer.content.free)
    same(`${kind} → due`, due(priceOf(entry), { n, records, bytes }), stated)
    atMost(`${kind} → due`, order.content.maximum, stated)
    atMost(`${kind} → credited`, order.content.maximum, credited)
  }
  if (receipt === undefined) return
  const { n, due: owed, credited, unused, root } = receipt.content
  if (credited < before) throw broken('receipt → credited', `at least ${before}, as accepted`, credited)
  same('receipt → unused', credited > owed ? credited - owed : 0n, unused)
  if (invoice === undefined) return
  atMost('invoice → n', n, invoice.content.n)
  atMost('invoice → credited', credited, invoice.content.credited)
  if (invoice.content.n === n) same('invoice → root', toHex(root), toHex(invoice.content.root))
}

/**
 * Every part follows the one before, they add up to n, and their root is the one that was signed.
 *
 * @returns false when the root of a session without a receipt was signed over parts that the bundle does not have: an
 * invoice in the middle of a block
 */
export function checkTranscript({ session, parts }: BundleContent, chain: Chain): boolean {
  const { n, root } = standingOf(chain)
  if (chain.receipt === undefined && parts.length === 0 && n > 0n) return false
  let next = chain.accept.content.start
  let c = transcriptStart(session.bytes)
  for (const [index, part] of parts.entries()) {
    same(`part ${index} → first`, next, part.first)
    next += BigInt(part.count)
    c = transcriptStep(c, part)
  }
  same('parts → records', n, next - chain.accept.content.start)
  const where = chain.receipt === undefined ? 'invoice' : 'receipt'
  if (root !== undefined && !equalBytes(c, root)) throw broken(`${where} → root`, toHex(c), toHex(root))
  return true
}

/** The buyer's own vouchers cover what the seller says it credited. */
export async function checkPayment(
  chain: Chain,
  { voucher }: BundleContent,
  channel: PaidChannel | undefined,
  verifyVoucher: VoucherVerifier
): Promise<void> {
  const { accept, receipt } = chain
  const { base = 0n, proof: before, credited: accepted = 0n } = accept.content
  const { credited } = standingOf(chain)
  const [where, proof] = receipt === undefined ? ['voucher', voucher] : ['receipt → proof', receipt.content.proof]
  if (receipt !== undefined) same('voucher', undefined, voucher === undefined ? undefined : 'one beside a receipt')
  if (channel === undefined) {
    same(`${receipt === undefined ? 'invoice' : 'receipt'} → credited`, 0n, credited)
    same(where, undefined, proof === undefined ? undefined : 'a voucher on the free rail')
    return
  }
  // A base is covered by what is credited after it: below.
  const shown = accepted === 0n ? 0n : base + accepted
  if (before !== undefined) await checkVoucher('accept → proof', before, shown, channel, verifyVoucher)
  else same('accept → credited', 0n, accepted)
  const least = receipt !== undefined && credited === 0n ? 0n : base + credited
  if (proof !== undefined) await checkVoucher(where, proof, least, channel, verifyVoucher)
  // Without a receipt the seller's word that it was paid is enough: it speaks against itself.
  else if (receipt !== undefined && credited > 0n) {
    throw broken(where, `a voucher of at least ${base + credited}`, undefined)
  }
}
