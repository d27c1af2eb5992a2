import type { ListingDocument } from '../../interface/index.ts'
import { encodeCanonical, sha256 } from '../../statements/index.ts'

/** What OFFER says of the records. */
export interface RecordRules {
  maxRecordBytes: bigint
  /** Digest of the schema; absent when the listing has none. */
  schema?: Uint8Array
}

/** Of a document that names none. */
const MAX_RECORD_BYTES = 65_536

/** The rules as they follow from the listing document. */
export function recordRulesOf({
  schema: { jsonSchema, maxRecordBytes = MAX_RECORD_BYTES }
}: ListingDocument): RecordRules {
  const digest = jsonSchema === undefined ? {} : { schema: sha256(encodeCanonical(jsonSchema)) }
  return { maxRecordBytes: BigInt(maxRecordBytes), ...digest }
}
