import { CID } from 'multiformats/cid'
import { DdmError, type SessionRecord, type SignedStatement, type TranscriptPart } from '../interface/index.ts'
import { encodeBundle } from './bundle.ts'

/** Order in which a session makes them, and in which the bundle holds them. */
export const KINDS = ['offer', 'order', 'accept', 'invoice', 'receipt', 'receipt-ack'] as const
export type BundleKind = (typeof KINDS)[number]

/** Without these nothing can be shown: who agreed to what, and how it ended. */
const NEEDED: readonly BundleKind[] = ['offer', 'order', 'accept', 'receipt']

export interface BundleInput {
  session: Pick<SessionRecord, 'id' | 'role' | 'state'>
  /** As the ledger keeps them; of several of one kind the last counts. */
  statements: readonly SignedStatement[]
  parts: readonly TranscriptPart[]
  /** The listing document as it was published. */
  listing: { cid: string; bytes: Uint8Array }
}

/**
 * Puts what was signed in a session into one file that verifies alone.
 *
 * @example
 * ```ts
 * const file = exportBundle({ session, statements, parts, listing: { cid, bytes } })
 * await writeFile('session.car', file)
 * ```
 *
 * @returns a CARv1
 * @throws DdmError `evidence` when the session has not ended with a receipt
 */
export function exportBundle({ session, statements, parts, listing }: BundleInput): Uint8Array {
  const kept = KINDS.flatMap((kind) => statements.findLast((statement) => statement.kind === kind) ?? [])
  const missing = NEEDED.filter((kind) => !kept.some((statement) => statement.kind === kind))
  if (missing.length > 0) {
    throw new DdmError(
      'evidence',
      `session ${session.id} (${session.state}) has no ${missing.join(', no ')}: only a session that ended with a receipt can be exported`,
      { details: { session: session.id, state: session.state, missing: missing.join(',') } }
    )
  }
  return encodeBundle({
    session: CID.parse(session.id),
    role: session.role,
    listing: CID.parse(listing.cid),
    listingBytes: listing.bytes,
    statements: kept.map(({ cid, payload, signature }) => ({ link: CID.parse(cid), payload, signature })),
    parts: [...parts]
  })
}
