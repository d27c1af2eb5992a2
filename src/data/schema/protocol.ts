import type { BadRecord, ListingDocument } from '../../interface/index.ts'

/** What a listing says of its records. */
export interface RecordRules {
  encoding: ListingDocument['schema']['encoding']
  /** JSON Schema 2020-12; without it only the encoding is checked. */
  schema?: object | boolean | undefined
  maxRecordBytes?: number | undefined
}

/** One request at a time: whoever is asked when the clock runs out is to blame. */
export type SchemaRequest =
  | { type: 'open'; id: number; rules: RecordRules }
  /** `bytes`: u32be length ‖ bytes per record. Without `each` only the first bad record is looked for. */
  | { type: 'check'; id: number; count: number; bytes: Uint8Array; each: boolean }
  | { type: 'close'; id: number }

export type SchemaAnswer =
  | { type: 'ready' }
  | { type: 'done'; bad: BadRecord[] }
  /** The schema is not taken, or a record cannot be judged by it. */
  | { type: 'refused'; reason: string }
