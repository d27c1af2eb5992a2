import { connectChain } from '../chain/index.ts'
import {
  eventMedium,
  type LedgerReaders,
  memoMedium,
  type VerifiedBundle,
  type VerifiedTransfer
} from '../evidence/index.ts'
import { type AbortOptions, DdmError, type Logger, type NetworkProfile } from '../interface/index.ts'
import { type IotaReader, openIotaReader } from '../payments/index.ts'

/** A payment of a bundle, with what the ledger says of it. */
export interface FoundTransfer extends VerifiedTransfer {
  found: boolean
  /** Why it is not what the bundle says. */
  problem?: string
}

/** The ledgers of a network, to hold bundles against; nothing is sent. */
export interface OnLedger {
  readers: LedgerReaders
  /** Looks each payment up. */
  transfers: (bundle: VerifiedBundle, options?: AbortOptions) => Promise<FoundTransfer[]>
  close: () => Promise<void>
}

/** Nothing is looked for by digest here: bundles say where it was recorded. */
const NO_STORE = { get: async () => undefined }

export async function openOnLedger(profile: NetworkProfile, logger: Logger, options?: AbortOptions): Promise<OnLedger> {
  const chain = await connectChain({ profile, logger }, options)
  try {
    const { iota: network } = profile
    const iota =
      network === undefined
        ? undefined
        : await openIotaReader({ url: network.rpcUrl, chainIdentifier: network.chainIdentifier }, options)
    const readers: Map<string, ReturnType<typeof eventMedium>> = new Map()
    if (chain.records !== undefined) {
      readers.set(chain.records.network, eventMedium({ ledger: chain.records, store: NO_STORE }))
    }
    if (iota !== undefined) {
      const ledger = { ...iota.memos, account: '', write: () => Promise.reject(readOnly()) }
      readers.set(ledger.network, memoMedium({ ledger, store: NO_STORE }))
    }
    return {
      readers,
      transfers: (bundle, lookOptions) => findTransfers(bundle, iota, lookOptions),
      close: () => chain.close()
    }
  } catch (error) {
    await chain.close()
    throw error
  }
}

function readOnly(): DdmError {
  return new DdmError('internal', 'this ledger is only read')
}

async function findTransfers(
  { transfers, payer, payTo, network }: VerifiedBundle,
  iota: IotaReader | undefined,
  options?: AbortOptions
): Promise<FoundTransfer[]> {
  const found: FoundTransfer[] = []
  for (const transfer of transfers) {
    const problem = await problemOf(transfer)
    found.push({ ...transfer, found: problem === undefined, ...(problem === undefined ? {} : { problem }) })
  }
  return found

  async function problemOf({ transaction, amount, demand }: VerifiedTransfer): Promise<string | undefined> {
    if (iota === undefined || network !== iota.memos.network) return `no ledger of ${network} is known here`
    if (payer === undefined || payTo === undefined) return 'the bundle names no payer'
    return iota.paymentProblem(transaction, { payer, payTo, amount, demand }, options)
  }
}
