import { DdmError, type RecordEnds, recordEnds, sliceRecords } from '../interface/index.ts'
import type { BundleContent } from './bundle.ts'
import { broken } from './failure.ts'
import { type ListedTerms, type RecordTerms, recordTerms } from './listing.ts'

/** Before each record. */
const LENGTH_BYTES = 4

/**
 * Judges a record by what the listing says of its records: why it breaks that, undefined when it does not. Throws
 * `DdmError` when it cannot be decided.
 */
export type RecordJudge = (record: Uint8Array, terms: RecordTerms) => Promise<string | undefined>

/** A record that the seller sent, and should not have sold. */
export interface ProvenViolation {
  /** In the product's log. */
  offset: bigint
  record: Uint8Array
  /** For people; may quote the record. */
  reason: string
}

/** The part is what the seller signed over (its digest was compared as that of its block): the record must break the schema. */
export async function checkViolation(
  { violation, parts }: BundleContent,
  listing: ListedTerms,
  validate: RecordJudge
): Promise<ProvenViolation | undefined> {
  if (violation === undefined) return undefined
  const { part: at, index, bytes } = violation
  const part = parts[at]
  if (part === undefined) throw broken('violation → part', `one of ${parts.length}`, at)
  let ends: RecordEnds
  try {
    ends = recordEnds(bytes, part.count)
  } catch (error) {
    throw broken('violation → part', `${part.count} records`, (error as Error).message, error)
  }
  if (index >= part.count) throw broken('violation → index', `one of ${part.count}`, index)
  // A part has up to 2²⁶ records, and one is judged: no view of each.
  const record = sliceRecords(bytes, ends, index, index + 1).subarray(LENGTH_BYTES)
  let reason: string | undefined
  try {
    reason = await validate(record, recordTerms(listing))
  } catch (error) {
    if (!(error instanceof DdmError)) throw error
    throw broken('violation → schema', 'one that decides about the record', error.message, error)
  }
  if (reason === undefined) throw broken('violation → record', 'one that breaks the schema', 'one that keeps it')
  return { offset: part.first + BigInt(index), record, reason }
}
