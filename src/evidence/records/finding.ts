import {
  type AbortOptions,
  DdmError,
  type Hex,
  type NetworkId,
  RECORDED_KINDS,
  type RecordedDigest,
  type RecordedKind,
  type RecordsMedium
} from '../../interface/index.ts'
import { FieldError, readAnyStatement, sha256, toHex } from '../../statements/index.ts'
import type { BundleContent } from '../bundle.ts'
import { broken } from '../failure.ts'
import { batchOf } from './proof.ts'

/** Where a statement of the bundle was recorded: by the bundle's word, and by the ledger's if it was asked. */
export interface VerifiedRecording extends Pick<RecordedDigest, 'medium' | 'network' | 'transaction' | 'by' | 'at'> {
  kind: RecordedKind
  digest: Hex
  /** Whether the ledger says so; absent when nobody asked it. */
  found?: boolean
  /** Why it was not found. */
  problem?: string
}

/** Who asks a ledger, by its network. */
export type LedgerReaders = ReadonlyMap<NetworkId, Pick<RecordsMedium, 'verify'>>

/** Each record is of a statement in the bundle, no two of the same, and its Merkle path leads to its root. */
export async function checkRecorded(
  bundle: Pick<BundleContent, 'statements' | 'transfers' | 'recorded'>,
  onLedger: LedgerReaders | undefined,
  options?: AbortOptions
): Promise<VerifiedRecording[]> {
  const { recorded = [] } = bundle
  if (recorded.length === 0) return []
  const kinds = recordable(bundle)
  const verified: VerifiedRecording[] = []
  const seen = new Set<Hex>()
  for (const [index, record] of recorded.entries()) {
    const digest = toHex(record.digest)
    const kind = kinds.get(digest)
    if (kind === undefined) {
      throw broken(`recorded ${index} → digest`, `that of one of its ${RECORDED_KINDS.join(', ')} statements`, digest)
    }
    if (seen.has(digest)) throw broken(`recorded ${index} → digest`, 'another than before', digest)
    seen.add(digest)
    const batch = batchOf(record)
    if (typeof batch === 'string') throw broken(`recorded ${index} → proof`, 'a path from digest to root', batch)
    const { medium, network, transaction, by, at } = record
    const shown = { kind, digest, medium, network, transaction, by, at }
    verified.push(
      onLedger === undefined ? shown : { ...shown, ...(await lookUp(record, onLedger.get(network), options)) }
    )
  }
  return verified
}

/** Digests of statements that may be recorded: those of the bundle, and those that asked for its transfers. */
export function recordable({
  statements,
  transfers = []
}: Pick<BundleContent, 'statements' | 'transfers'>): Map<Hex, RecordedKind> {
  const kinds = new Map<Hex, RecordedKind>()
  for (const { payload, signature } of [...statements, ...transfers.map(({ demand }) => demand)]) {
    const kind = kindOf(payload, signature)
    if (kind !== undefined) kinds.set(toHex(sha256(payload)), kind)
  }
  return kinds
}

function kindOf(payload: Uint8Array, signature: Uint8Array): RecordedKind | undefined {
  try {
    const { kind } = readAnyStatement(payload, signature)
    return RECORDED_KINDS.find((recorded) => recorded === kind)
  } catch (error) {
    if (error instanceof FieldError) return undefined
    throw error
  }
}

async function lookUp(
  record: RecordedDigest,
  medium: Pick<RecordsMedium, 'verify'> | undefined,
  options?: AbortOptions
): Promise<Pick<VerifiedRecording, 'found' | 'problem'>> {
  if (medium === undefined) return { found: false, problem: `no ledger of ${record.network} is known here` }
  try {
    const problem = await medium.verify(record, options)
    return problem === undefined ? { found: true } : { found: false, problem }
  } catch (error) {
    if (!(error instanceof DdmError) || error.code === 'aborted') throw error
    // That a ledger is away says nothing against the rest of the bundle.
    return { found: false, problem: error.message }
  }
}
