import { createRecordValidator } from '../data/index.ts'
import { type AbortOptions, DdmError, type ListingDocument, type RecordValidator } from '../interface/index.ts'

/**
 * What judges the records of a purchase; undefined when the listing has no schema.
 *
 * @throws DdmError `usage` when the schema is not taken
 */
export async function recordCheck(
  { schema: { encoding, jsonSchema, maxRecordBytes } }: Pick<ListingDocument, 'schema'>,
  options?: AbortOptions
): Promise<RecordValidator | undefined> {
  if (jsonSchema === undefined) return undefined
  try {
    return await createRecordValidator({ encoding, schema: jsonSchema, maxRecordBytes }, options)
  } catch (error) {
    if (!(error instanceof DdmError) || error.code !== 'usage') throw error
    throw new DdmError('usage', `${error.message}; to buy records unchecked: --no-check`, { cause: error })
  }
}
