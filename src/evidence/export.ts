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
import { equalBytes, fromHex, sha256, toHex } from '../statements/index.ts'
import { type BundledTransfer, encodeBundle, type ViolatedPart } from './bundle.ts'
import type { BundleKind } from './chain.ts'
import { recordable } from './records/finding.ts'
import { select } from './selection.ts'

/** Without these nobody agreed to anything. */
const NEEDED: readonly BundleKind[] = ['offer', 'order', 'accept']

export interface BundleInput {
  session: Pick<SessionRecord, 'id' | 'role' | 'state'>
  /** As the ledger keeps them; of several of one kind the last that both agreed to counts. */
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
  const id = CID.parse(session.id)
  const selected = select(id, { statements, parts, violation })
  const { statements: kept, parts: signedFor } = selected
  const missing = NEEDED.filter((kind) => !kept.some((statement) => statement.kind === kind))
  if (missing.length > 0) {
    throw new DdmError(
      'evidence',
      `session ${session.id} (${session.state}) has no ${missing.join(', no ')}: only a session that was accepted can be exported`,
      { details: { session: session.id, state: session.state, missing: missing.join(',') } }
    )
  }
  const ended = kept.some(({ kind }) => kind === 'receipt')
  const shown = selected.violation === undefined ? undefined : placeOf(selected.violation, signedFor)
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
    parts: [...signedFor],
    ...(shown === undefined ? {} : { violation: shown }),
    ...(ended || voucher === undefined ? {} : { voucher }),
    ...(found.length === 0 ? {} : { recorded: found })
  })
}

function bundled({ transaction, amount, sessionPaid, demand }: Transfer): BundledTransfer {
  const { payload, signature } = demand
  return { transaction: fromHex(transaction), amount, sessionPaid, demand: { payload, signature } }
}

/** Where among the parts it is; undefined when the seller signed for none of them with these records. */
function placeOf({ first, index, bytes }: Violation, parts: readonly TranscriptPart[]): ViolatedPart | undefined {
  const part = parts.findIndex((one) => one.first === first)
  const digest = parts[part]?.digest
  return digest !== undefined && equalBytes(sha256(bytes), digest) ? { part, index, bytes } : undefined
}
