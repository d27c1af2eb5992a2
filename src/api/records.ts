import type { DataRecord } from '../interface/index.ts'

export interface WireRecord {
  offset: string
  text?: string
  base64?: string
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Text where a record is UTF-8, so that a page can show it; base64 where it is not. */
export function encodeRecords(records: readonly DataRecord[]): WireRecord[] {
  return records.map(({ offset, bytes }) => {
    try {
      return { offset: offset.toString(), text: utf8.decode(bytes) }
    } catch {
      return { offset: offset.toString(), base64: Buffer.from(bytes).toString('base64') }
    }
  })
}

export function decodeRecords(records: readonly WireRecord[]): DataRecord[] {
  return records.map(({ offset, text, base64 = '' }) => ({
    offset: BigInt(offset),
    bytes: text === undefined ? Buffer.from(base64, 'base64') : Buffer.from(text)
  }))
}
