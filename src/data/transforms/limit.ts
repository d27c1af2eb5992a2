import { DdmError } from '../../interface/index.ts'
import type { RecordTransform } from '../feed.ts'
import type { Refuse } from './invalid.ts'

/** Buyers order with the listing's limit in mind: a larger record could never be paid for. */
export function limitBytes(maxBytes: number, refuse: Refuse): RecordTransform {
  return async function* (records) {
    let number = 0
    for await (const record of records) {
      number++
      if (record.bytes.length <= maxBytes) {
        yield record
        continue
      }
      refuse(
        new DdmError(
          'badRecord',
          `record ${number} has ${record.bytes.length} bytes, the listing's schema.maxRecordBytes is ${maxBytes}`,
          { details: { record: number, bytes: record.bytes.length, limit: maxBytes } }
        )
      )
    }
  }
}
