import { DdmError } from '../../interface/index.ts'
import type { RecordTransform } from '../feed.ts'
import type { Refuse } from './invalid.ts'
import { perRecord } from './left-out.ts'

/** Buyers order with the listing's limit in mind: a larger record could never be paid for. */
export function limitBytes(maxBytes: number, refuse: Refuse): RecordTransform {
  return perRecord(() => {
    let number = 0
    return (record) => {
      number++
      const { length } = record.bytes
      if (length <= maxBytes) return record
      refuse(
        new DdmError(
          'badRecord',
          `record ${number} has ${length} bytes, the listing's schema.maxRecordBytes is ${maxBytes}`,
          { details: { record: number, bytes: length, limit: maxBytes } }
        )
      )
      return undefined
    }
  })
}
