import type { AbortOptions } from './common.ts'

/**
 * A data product is an append-only log of records with offsets: a stream is its tail, a data set its whole, a replay a
 * range, a resume an offset. Records are grouped into blocks; boundaries and offsets of a block never change.
 */
export interface Block {
  /** Offset of the first record. */
  first: bigint
  count: number
  /** Per record u32be length ‖ bytes: exactly what a DATA frame carries, so that slices are views of it. */
  bytes: Uint8Array
  /** sha256 of `bytes`, made once at append. */
  digest: Uint8Array
  /** Unix time in ms at which the block was appended. */
  appendedAt: number
}

export interface LogRange {
  /** First offset still kept. */
  tail: bigint
  /** Offset that the next record will get. */
  head: bigint
}

/** Where blocks of product logs are kept durably. Implemented by storage (SQLite). */
export interface BlockStore {
  /** Opens or creates a log. A log restored from an older state takes a new epoch. */
  open: (logId: string, options?: AbortOptions) => Promise<StoredLog>
  /**
   * Resolves when the block, and the position where its source goes on after it, are durable: both or none (FULL, group
   * commit with whatever else waits). `first` must equal the head.
   */
  append: (logId: string, block: Block, options?: AppendOptions) => Promise<void>
  /** The block that holds `offset` and those after it, until `maxBytes` are reached; none when the offset is not in the log. */
  readMany: (logId: string, offset: bigint, maxBytes: number, options?: AbortOptions) => Promise<Block[]>
  /** First offset appended at or after `time` (Unix ms); the head when there is none. */
  offsetAt: (logId: string, time: number, options?: AbortOptions) => Promise<bigint>
  /** Marks a finite product as complete. */
  finish: (logId: string, options?: AbortOptions) => Promise<void>
  /** Forgets whole blocks before `offset`. */
  prune: (logId: string, offset: bigint, options?: AbortOptions) => Promise<void>
}

/** What a store knows of a log. */
export interface StoredLog {
  epoch: bigint
  range: LogRange
  finished: boolean
  position?: SourcePosition
}

/** Where a source goes on after the records of a log. */
export interface SourcePosition {
  /** Name of the source that gave it: to another one it means nothing. */
  source: string
  position: string
}

export interface AppendOptions extends AbortOptions {
  /** After the last of the records. */
  position?: SourcePosition
}

export interface ProductLog {
  readonly id: string
  readonly epoch: bigint
  readonly tail: bigint
  readonly head: bigint
  /** True when no record will ever be added (a finite product). */
  readonly finished: boolean
  /** The last one that was appended, durable together with its records. */
  readonly position?: SourcePosition | undefined
  /** Resolves when all records are durable and readable. */
  append: (records: Uint8Array[], options?: AppendOptions) => Promise<void>
  finish: (options?: AbortOptions) => Promise<void>
  /** The block that holds `offset`; undefined when `offset` ≥ head. Recent blocks come from memory, shared by all readers. */
  read: (offset: bigint, options?: AbortOptions) => Promise<Block | undefined>
  offsetAt: (time: number, options?: AbortOptions) => Promise<bigint>
  /** Calls back after each durable append and after finish; returns the function that stops it. */
  onAppend: (listener: () => void) => () => void
}

export interface SourceRecord {
  bytes: Uint8Array
  /** Where a source that can be resumed goes on after this record: an offset, a cursor, a sequence number. */
  position?: string
}

/** Where a seller's records come from. The iterable ends when a finite source is at its end. */
export interface DataSource {
  readonly name: string
  /** True when the source ends (CSV, stdin), false for live ones (telemetry). */
  readonly finite: boolean
  /**
   * Finite sources that can be read again: the same text as long as they give the same records. Then a seller that
   * starts again serves the log that it has, and sessions that were cut go on.
   */
  fingerprint?: () => Promise<string>
  /** Reads on after `from`, a position that this source gave with a record of an earlier run; from its start without one. */
  records: (options?: SourceReadOptions) => AsyncIterable<SourceRecord>
  /**
   * Told, in order, when every record up to the one with this position is durable: where a broker is acknowledged.
   * Records after it may come again when the source, or this node, starts anew: at least once.
   */
  durable?: (position: string) => void
}

export interface SourceReadOptions extends AbortOptions {
  from?: string
}

/** One record as a buyer gets it. */
export interface DataRecord {
  offset: bigint
  bytes: Uint8Array
}

/** A record of a batch that breaks what the listing says of its records. */
export interface BadRecord {
  /** Of the record in the batch. */
  index: number
  /** For people; may quote the record. */
  reason: string
}

/** Judges records by what a listing says of them. */
export interface RecordValidator {
  /**
   * Judges a batch; the bytes stay the caller's.
   *
   * @param bytes - records as u32be length ‖ bytes
   * @returns the first record that breaks the rules, undefined when all keep them
   * @throws DdmError `badRecord` when it took too long or cannot be decided: that says nothing about the records
   */
  check: (bytes: Uint8Array, count: number, options?: AbortOptions) => Promise<BadRecord | undefined>
  /** The same, for every record that breaks the rules. */
  checkEach: (bytes: Uint8Array, count: number, options?: AbortOptions) => Promise<BadRecord[]>
  close: () => Promise<void>
}

/** Where a buyer's records go. `write` resolves when the batch is handed on; `flush` when it is durable. */
export interface DataSink {
  readonly name: string
  write: (records: DataRecord[], options?: AbortOptions) => Promise<void>
  flush: (options?: AbortOptions) => Promise<void>
  /**
   * Makes everything written durable and resolves with what a later run needs to go on here. Records written after it come
   * again: files take back what they had, servers get it twice. Absent on sinks that keep nothing, such as a pipe.
   */
  mark?: (options?: AbortOptions) => Promise<string>
  close: (options?: AbortOptions) => Promise<void>
}

/** A record is at most 1 MiB − 64 B, so that one record always fits a DATA frame (sdpp, Bytes). */
export const MAX_RECORD_BYTES = (1 << 20) - 64
