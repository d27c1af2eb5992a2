import { CID } from 'multiformats/cid'
import {
  DdmError,
  type RecordedDigest,
  type SessionRecord,
  type SignedStatement,
  type TranscriptPart,
  type Transfer,
  type Violation,
  type VoucherPayload
} from '../interface/index.ts'
import {
  type CheckedStatement,
  equalBytes,
  FieldError,
  fromHex,
  readStatement,
  sha256,
  toHex,
  transcriptStart,
  transcriptStep
} from '../statements/index.ts'
import { type BundledTransfer, encodeBundle, type ViolatedPart } from './bundle.ts'
import { recordable } from './records/finding.ts'

/** Order in which a session makes them, and in which the bundle holds them. */
export const KINDS = ['offer', 'order', 'accept', 'invoice', 'receipt', 'receipt-ack'] as const
export type BundleKind = (typeof KINDS)[number]

/** Without these nobody agreed to anything. */
const NEEDED: readonly BundleKind[] = ['offer', 'order', 'accept']

export interface BundleInput {
  session: Pick<SessionRecord, 'id' | 'role' | 'state'>
  /** As the ledger keeps them; of several of one kind the last counts. */
  statements: readonly SignedStatement[]
  parts: readonly TranscriptPart[]
  /** The listing document as it was published. */
  listing: { cid: string; bytes: Uint8Array }
  /** The record that breaks the schema. Left out of the file when no statement of the seller covers it. */
  violation?: Violation | undefined
  /** Highest voucher of the channel; only a session without a receipt needs it. */
  voucher?: VoucherPayload | undefined
  /** On rails that move money each time, oldest first; none on others. */
  transfers?: readonly Transfer[]
  /** Where its statements were recorded. Left out of the file when the statement is. */
  recorded?: readonly RecordedDigest[]
}

/**
 * Puts what was signed in a session into one file that verifies alone. A session that ended badly has no receipt: then
 * the seller's last invoice and the buyer's voucher say how far it came.
 *
 * @example
 * ```ts
 * const file = exportBundle({ session, statements, parts, listing: { cid, bytes } })
 * await writeFile('session.car', file)
 * ```
 *
 * @returns a CARv1
 * @throws DdmError `evidence` when the session was never accepted
 */
export function exportBundle(input: BundleInput): Uint8Array {
  const { session, statements, parts, listing, violation, voucher, transfers = [], recorded = [] } = input
  const kept = newest(statements)
  const missing = NEEDED.filter((kind) => !kept.some((statement) => statement.kind === kind))
  if (missing.length > 0) {
    throw new DdmError(
      'evidence',
      `session ${session.id} (${session.state}) has no ${missing.join(', no ')}: only a session that was accepted can be exported`,
      { details: { session: session.id, state: session.state, missing: missing.join(',') } }
    )
  }
  const id = CID.parse(session.id)
  const ended = kept.some(({ kind }) => kind === 'receipt')
  const signedFor = signedParts(id, kept, parts) ?? (ended ? [...parts] : [])
  const shown = violation === undefined ? undefined : placeOf(violation, signedFor)
  const told = {
    statements: kept.map(({ cid, payload, signature }) => ({ link: CID.parse(cid), payload, signature })),
    ...(transfers.length === 0 ? {} : { transfers: transfers.map(bundled) })
  }
  const kinds = recorded.length === 0 ? undefined : recordable(told)
  const found = recorded.filter(({ digest }) => kinds?.has(toHex(digest)))
  return encodeBundle({
    session: id,
    role: session.role,
    listing: CID.parse(listing.cid),
    listingBytes: listing.bytes,
    ...told,
    parts: signedFor,
    ...(shown === undefined ? {} : { violation: shown }),
    ...(ended || voucher === undefined ? {} : { voucher }),
    ...(found.length === 0 ? {} : { recorded: found })
  })
}

function bundled({ transaction, amount, sessionPaid, demand }: Transfer): BundledTransfer {
  const { payload, signature } = demand
  return { transaction: fromHex(transaction), amount, sessionPaid, demand: { payload, signature } }
}

/** The last of each kind, without a receipt after which the session went on and an answer to another receipt. */
function newest(statements: readonly SignedStatement[]): SignedStatement[] {
  const last = <K extends BundleKind>(kind: K): CheckedStatement<K> | undefined => {
    const statement = statements.findLast((one) => one.kind === kind)
    return statement === undefined ? undefined : read(kind, statement)
  }
  const invoice = last('invoice')
  const receipt = last('receipt')
  const accept = last('accept')
  const over =
    receipt !== undefined &&
    (accept?.content.credited ?? 0n) <= receipt.content.credited &&
    (invoice === undefined ||
      (invoice.content.n <= receipt.content.n && invoice.content.credited <= receipt.content.credited))
  const ack = statements.findLast(
    (one) => one.kind === 'receipt-ack' && read('receipt-ack', one).content.receipt.toString() === receipt?.cid
  )
  return [last('offer'), last('order'), accept, invoice, ...(over ? [receipt, ack] : [])].filter(
    (statement) => statement !== undefined
  )
}

function read<K extends BundleKind>(kind: K, { payload, signature }: SignedStatement): CheckedStatement<K> {
  try {
    return readStatement(kind, payload, signature)
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    throw new DdmError('evidence', `the ledger holds a broken ${kind}: ${error.message}`, { cause: error })
  }
}

/** The parts over which the seller signed last; undefined when they do not lead to the root that it signed. */
function signedParts(
  session: CID,
  kept: readonly SignedStatement[],
  parts: readonly TranscriptPart[]
): TranscriptPart[] | undefined {
  const signed = kept.findLast(({ kind }) => kind === 'receipt' || kind === 'invoice')
  if (signed === undefined) return undefined
  const { n, root } = read(signed.kind as 'invoice' | 'receipt', signed).content
  const covered: TranscriptPart[] = []
  let c = transcriptStart(session.bytes)
  let records = 0n
  for (const part of parts) {
    if (records >= n) break
    covered.push(part)
    c = transcriptStep(c, part)
    records += BigInt(part.count)
  }
  return records === n && equalBytes(c, root) ? covered : undefined
}

/** Where among the parts it is; undefined when the seller signed for none of them with these records. */
function placeOf({ first, index, bytes }: Violation, parts: readonly TranscriptPart[]): ViolatedPart | undefined {
  const part = parts.findIndex((one) => one.first === first)
  const digest = parts[part]?.digest
  return digest !== undefined && equalBytes(sha256(bytes), digest) ? { part, index, bytes } : undefined
}
