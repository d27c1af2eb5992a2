import { DdmError } from '../../interface/index.ts'
import { eachRecord, type RecordTransform } from './each.ts'
import { parsePath, timeOfRecord } from './fields.ts'
import type { Refuse } from './invalid.ts'

/**
 * The first of every `count` records.
 *
 * @throws DdmError `usage`
 */
export function everyNth(count: number): RecordTransform {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new DdmError('usage', `every ${count}: give a whole number from 1, like 10 for each tenth record`)
  }
  return eachRecord(() => {
    let number = 0
    return (record) => (number++ % count === 0 ? record : undefined)
  })
}

export interface IntervalOptions {
  /** Path of the record's time: an RFC 3339 text or Unix ms. @default the time at which it comes */
  time?: string
  /** Unix ms. @default Date.now */
  now?: () => number
}

/**
 * The first record of each interval of the clock (`60000`: of each minute). One that is older than the last is left out;
 * one whose time cannot be read goes to `refuse`.
 *
 * @throws DdmError `usage`
 */
export function oncePer(intervalMs: number, refuse: Refuse, options: IntervalOptions = {}): RecordTransform {
  const { time, now = Date.now } = options
  if (!Number.isSafeInteger(intervalMs) || intervalMs < 1) {
    throw new DdmError('usage', `interval ${intervalMs} ms: give a time span of 1 ms or more, like 1m`)
  }
  const path = time === undefined ? undefined : parsePath(time)
  return eachRecord(() => {
    let last = Number.NEGATIVE_INFINITY
    let number = 0
    return (record) => {
      number++
      const at = path === undefined ? now() : timeOfRecord(record.bytes, path)
      if (at === undefined) {
        refuse(new DdmError('badRecord', `record ${number} has no time in "${time}" (RFC 3339, or Unix ms)`))
        return undefined
      }
      const interval = Math.floor(at / intervalMs)
      if (interval <= last) return undefined
      last = interval
      return record
    }
  })
}
