import type { AbortOptions, Address, Hex, NetworkId } from './common.ts'

/** Where digests of statements are recorded; `none`: nowhere. */
export const RECORDS_MEDIA = ['iota', 'evm', 'none'] as const

export type RecordsMediumName = (typeof RECORDS_MEDIA)[number]

/**
 * When they are: `each` as soon as it is signed, `session` when its session is over, `daily` together, no later than a day
 * after the first of them.
 */
export const RECORD_POLICIES = ['each', 'session', 'daily'] as const

export type RecordPolicy = (typeof RECORD_POLICIES)[number]

/** Statements that are recorded: what was ordered, demanded and delivered. */
export const RECORDED_KINDS = ['order', 'invoice', 'receipt'] as const

export type RecordedKind = (typeof RECORDED_KINDS)[number]

/** Where a ledger holds a digest. Of several that were recorded together it holds the root of a Merkle tree. */
export interface RecordedDigest {
  /** 32 bytes. */
  digest: Uint8Array
  medium: 'iota' | 'evm'
  /** CAIP-2. */
  network: NetworkId
  /** As the ledger names it. */
  transaction: string
  /** Account that recorded it. */
  by: string
  /** Unix ms, by the ledger. */
  at: number
  /** How many were recorded together. */
  count: number
  /** Place among them; 0 for one alone. */
  index: number
  /** Only when `count` is above 1: the root, 32 bytes, and the path to it, from the leaf. */
  root?: Uint8Array
  proof?: Uint8Array[]
}

/**
 * A ledger on which digests are recorded. Nothing but digests leaves the machine.
 *
 * @example
 * ```ts
 * const [record] = await medium.record([digest])
 * await medium.verify(record) // undefined: the ledger says so
 * ```
 */
export interface RecordsMedium {
  readonly name: RecordsMediumName
  /** One transaction for all; each digest counts once. Resolves when the ledger will not take it back. */
  record: (digests: readonly Uint8Array[], options?: AbortOptions) => Promise<RecordedDigest[]>
  /** Where this node recorded a digest. */
  find: (digest: Uint8Array, options?: AbortOptions) => Promise<RecordedDigest | undefined>
  /**
   * undefined when the ledger says so, else the first thing that is wrong.
   *
   * @throws DdmError `unreachable` when the ledger does not answer
   */
  verify: (record: RecordedDigest, options?: AbortOptions) => Promise<string | undefined>
}

/** A ledger whose transactions carry memos. */
export interface MemoLedger {
  readonly network: NetworkId
  readonly account: string
  /** Resolves when the transaction was carried out. `at`: Unix ms, by the ledger. */
  write: (memo: Uint8Array, options?: AbortOptions) => Promise<{ transaction: string; at: number }>
  /** undefined unless the ledger knows the transaction and carried it out. The name may be a stranger's text. */
  read: (
    transaction: string,
    options?: AbortOptions
  ) => Promise<{ sender: string; memos: Uint8Array[]; at: number } | undefined>
}

/** A chain with the contract `Records`. */
export interface EventLedger {
  readonly network: NetworkId
  /** undefined: this chain is only read. */
  readonly account: Address | undefined
  /** Resolves at confirmation depth. `at`: Unix ms, by the timestamp of the block. */
  emit: (root: Hex, count: number, options?: AbortOptions) => Promise<{ transaction: Hex; sender: Address; at: number }>
  /** undefined unless the transaction succeeded and is at confirmation depth. The name may be a stranger's text. */
  read: (
    transaction: string,
    options?: AbortOptions
  ) => Promise<{ at: number; events: Array<{ sender: Address; root: Hex; count: number }> } | undefined>
}

/** Digests of a session's statements that are to be recorded. */
export interface SessionDigests {
  session: string
  statements: ReadonlyArray<{ kind: RecordedKind; digest: Uint8Array }>
  /** Nothing more will be signed in it, as far as anybody knows. */
  ended: boolean
}

/** A digest that is to be recorded and was not yet. */
export interface PendingDigest {
  digest: Uint8Array
  kind: RecordedKind
  session: string
  ended: boolean
  /** Unix ms at which it was noted. */
  at: number
}

/** What is to be recorded and where it was. Every promise resolves when its write is durable. */
export interface RecordStore {
  /** Digests that are known already are left out. When the session has ended, all that is pending of it has. */
  note: (session: SessionDigests, at: number, options?: AbortOptions) => Promise<void>
  /** Oldest first; with `ended` only those of sessions that are over. */
  pending: (options?: AbortOptions & { ended?: boolean }) => Promise<PendingDigest[]>
  /** They are pending no more. The first record of a digest stays. */
  put: (records: readonly RecordedDigest[], options?: AbortOptions) => Promise<void>
  get: (digest: Uint8Array, options?: AbortOptions) => Promise<RecordedDigest | undefined>
}
