import {
  type AbortOptions,
  DdmError,
  type EventLedger,
  type MemoLedger,
  type RecordedDigest,
  type RecordStore,
  type RecordsMedium
} from '../../interface/index.ts'
import { equalBytes, fromHex, toHex } from '../../statements/index.ts'
import { decodeMemo, encodeMemo, type RecordedBatch } from './memo.ts'
import { merkleTree } from './merkle.ts'
import { batchOf } from './proof.ts'

/** Sixteen steps of a path, and a few megabytes of paths while they are made. */
export const MAX_BATCH = 65_536

export interface MediumComponents<L> {
  ledger: L
  /** Where `find` looks: a ledger is not searched by digest. */
  store: Pick<RecordStore, 'get'>
}

/** One batch per transaction, whatever the ledger keeps it in. */
interface BatchLedger {
  readonly network: string
  write: (batch: RecordedBatch, options?: AbortOptions) => Promise<{ transaction: string; by: string; at: number }>
  read: (transaction: string, options?: AbortOptions) => Promise<WrittenTransaction | undefined>
}

interface WrittenTransaction {
  at: number
  batches: Array<RecordedBatch & { by: string }>
}

/**
 * Records digests in the memos of a ledger (docs: `memo.ts`).
 *
 * @example
 * ```ts
 * const medium = memoMedium({ ledger, store })
 * const [record] = await medium.record([digest]) // { transaction: '9Gq…', at: 1764000000000, … }
 * ```
 */
export function memoMedium({ ledger, store }: MediumComponents<MemoLedger>): RecordsMedium {
  const { network, account } = ledger
  return createMedium('iota', store, {
    network,
    write: async (batch, options) => ({ ...(await ledger.write(encodeMemo(batch), options)), by: account }),
    read: async (transaction, options) => {
      const found = await ledger.read(transaction, options)
      if (found === undefined) return undefined
      const batches = found.memos.map(decodeMemo).filter((batch) => batch !== undefined)
      return { at: found.at, batches: batches.map((batch) => ({ ...batch, by: found.sender })) }
    }
  })
}

/** Records digests in events of the contract `Records`; its `root` is the digest when there is but one. */
export function eventMedium({ ledger, store }: MediumComponents<EventLedger>): RecordsMedium {
  return createMedium('evm', store, {
    network: ledger.network,
    write: async ({ root, count }, options) => {
      const { transaction, sender, at } = await ledger.emit(toHex(root), count, options)
      return { transaction, by: sender, at }
    },
    read: async (transaction, options) => {
      const found = await ledger.read(transaction, options)
      if (found === undefined) return undefined
      return {
        at: found.at,
        batches: found.events.map(({ sender, root, count }) => ({ by: sender, root: fromHex(root), count }))
      }
    }
  })
}

/** Records nothing. */
export const NO_MEDIUM: RecordsMedium = {
  name: 'none',
  record: async () => [],
  find: async () => undefined,
  verify: async ({ medium, network }) => `nothing here asks ${medium} on ${network}`
}

function createMedium(name: 'iota' | 'evm', store: Pick<RecordStore, 'get'>, ledger: BatchLedger): RecordsMedium {
  return {
    name,
    record: async (digests, options) => {
      const unique = [...new Map(digests.map((digest) => [toHex(digest), digest])).values()]
      if (unique.length === 0) return []
      const wrong = unique.find(({ length }) => length !== 32)
      if (wrong !== undefined) throw new DdmError('internal', `a digest has ${wrong.length} bytes, not 32`)
      if (unique.length > MAX_BATCH) {
        throw new DdmError('internal', `${unique.length} digests are more than the ${MAX_BATCH} of one transaction`)
      }
      const places = placesOf(unique)
      const [first] = places
      const batch = { root: first?.root ?? (unique[0] as Uint8Array), count: unique.length }
      const common = { medium: name, network: ledger.network, ...(await ledger.write(batch, options)) }
      return places.map((place) => ({ ...place, ...common }))
    },
    find: (digest, options) => store.get(digest, options),
    verify: async (record, options) => {
      if (record.medium !== name) return `recorded on ${record.medium}, not on ${name}`
      if (record.network !== ledger.network) return `recorded on ${record.network}, not on ${ledger.network}`
      const batch = batchOf(record)
      if (typeof batch === 'string') return batch
      const found = await ledger.read(record.transaction, options)
      return found === undefined ? `${ledger.network} has no such transaction` : differenceOf(record, batch, found)
    }
  }
}

type Place = Pick<RecordedDigest, 'digest' | 'index' | 'count' | 'root' | 'proof'>

function placesOf(digests: readonly Uint8Array[]): Place[] {
  const count = digests.length
  if (count === 1) return digests.map((digest) => ({ digest, index: 0, count }))
  const { root, proofs } = merkleTree(digests)
  return digests.map((digest, index) => ({ digest, index, count, root, proof: proofs[index] as Uint8Array[] }))
}

function differenceOf(
  { by, at }: RecordedDigest,
  { root, count }: RecordedBatch,
  { batches, at: written }: WrittenTransaction
): string | undefined {
  const same = batches.filter((batch) => batch.count === count && equalBytes(batch.root, root))
  if (same.length === 0) return 'the transaction records something else'
  if (!same.some((batch) => batch.by === by)) return `recorded by ${same[0]?.by}, not by ${by}`
  return at === written ? undefined : `recorded at ${new Date(written).toISOString()}, not at ${shownTime(at)}`
}

/** A stranger's number need not be a time. */
function shownTime(at: number): string {
  return Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : String(at)
}
