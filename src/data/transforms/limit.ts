import { DdmError } from '../../interface/index.ts'
import { eachRecord, type RecordTransform } from './each.ts'
import type { Refuse } from './invalid.ts'

/** Buyers order with the listing's limit in mind: a larger record could never be paid for. */
export function limitBytes(maxBytes: number, refuse: Refuse): RecordTransform {
  return eachRecord(() => {
    let number = 0
    return (record) => {
      number++
      if (record.bytes.length <= maxBytes) return record
      refuse(
        new DdmError(
          'badRecord',
          `record ${number} has ${record.bytes.length} bytes, the listing's schema.maxRecordBytes is ${maxBytes}`,
          { details: { record: number, bytes: record.bytes.length, limit: maxBytes } }
        )
      )
      return undefined
    }
  })
}
