import { toBase64 } from '@iota/bcs'
import { bcs } from '@iota/iota-sdk/bcs'
import {
  type DryRunTransactionBlockResponse,
  IotaClient,
  type IotaTransactionBlockResponse,
  JsonRpcError
} from '@iota/iota-sdk/client'
import { normalizeIotaAddress } from '@iota/iota-sdk/utils'
import { type AbortOptions, DdmError, type Hex, type NetworkId } from '../../interface/index.ts'
import { type Coin, type ExecutedTransaction, type LedgerClient, RejectedTransaction } from './ledger-client.ts'
import { digestOf, fromDigest, memosOf, toDigest } from './transaction.ts'

const COIN = '0x2::iota::IOTA'
const COIN_TYPE = /^0x0*2::iota::IOTA$/
const PAGE = 50
/** Coins beyond these are found when those are spent. */
const MAX_PAGES = 20
const REQUEST_TIMEOUT_MS = 10_000
const GAS_PRICE_KEPT_MS = 10_000
/** The node refused the transaction itself: bad signature, stale version, not enough gas. */
const TRANSACTION_REFUSED = -32_002

const OPTIONS = { showEffects: true, showBalanceChanges: true, showRawInput: true } as const

/**
 * A ledger node over the JSON-RPC of the IOTA SDK.
 *
 * @throws DdmError `networkMismatch` when the node serves another network, `unreachable`
 */
export async function connectLedger(
  { url, chainIdentifier }: { url: string; chainIdentifier: string },
  options: AbortOptions = {}
): Promise<LedgerClient> {
  const client = new SdkClient(url, chainIdentifier)
  await client.check(options)
  return client
}

/** Which network a node serves. */
export async function chainIdentifierOf(url: string, options: AbortOptions = {}): Promise<string> {
  return new SdkClient(url, '').identifier(options)
}

export function networkOf(chainIdentifier: string): NetworkId {
  return `iota:${chainIdentifier}`
}

class SdkClient implements LedgerClient {
  readonly #client: IotaClient
  readonly #url: string
  readonly #chainIdentifier: string
  readonly network: NetworkId
  #gasPrice: { price: bigint; at: number } | undefined

  constructor(url: string, chainIdentifier: string) {
    this.#client = new IotaClient({ url })
    this.#url = url
    this.#chainIdentifier = chainIdentifier
    this.network = networkOf(chainIdentifier)
  }

  async identifier(options: AbortOptions): Promise<string> {
    return this.#ask(async (signal) => (await this.#client.getChainIdentifier({ signal })) ?? '', options)
  }

  async check(options: AbortOptions): Promise<void> {
    const found = await this.identifier(options)
    if (found === this.#chainIdentifier) return
    throw new DdmError(
      'networkMismatch',
      `${this.#url} serves the IOTA network ${found}, the network profile names ${this.#chainIdentifier}`
    )
  }

  /** It changes with the epoch, once a day. */
  async gasPrice(options?: AbortOptions): Promise<bigint> {
    const known = this.#gasPrice
    if (known !== undefined && performance.now() - known.at < GAS_PRICE_KEPT_MS) return known.price
    const price = await this.#ask((signal) => this.#client.getReferenceGasPrice({ signal }), options)
    this.#gasPrice = { price, at: performance.now() }
    return price
  }

  async coins(owner: Hex, options?: AbortOptions): Promise<Coin[]> {
    const coins: Coin[] = []
    let cursor: string | null | undefined
    for (let page = 0; page < MAX_PAGES; page++) {
      const found = await this.#ask(
        (signal) => this.#client.getCoins({ owner, coinType: COIN, cursor: cursor ?? null, limit: PAGE, signal }),
        options
      )
      for (const { coinObjectId, version, digest, balance } of found.data) {
        coins.push({ id: hexOf(coinObjectId), version: BigInt(version), digest, balance: BigInt(balance) })
      }
      cursor = found.nextCursor
      if (!found.hasNextPage) break
    }
    return coins
  }

  async balance(owner: Hex, options?: AbortOptions): Promise<bigint> {
    const found = await this.#ask((signal) => this.#client.getBalance({ owner, coinType: COIN, signal }), options)
    return BigInt(found.totalBalance)
  }

  async execute(
    bytes: Uint8Array,
    signatures: readonly Uint8Array[],
    options?: AbortOptions
  ): Promise<ExecutedTransaction> {
    const transactionBlock = toBase64(bytes)
    const signature = signatures.map((one) => toBase64(one))
    const answer = await this.#ask(
      (signal) => this.#client.executeTransactionBlock({ transactionBlock, signature, options: OPTIONS, signal }),
      options
    )
    return executedOf(answer, digestOf(bytes))
  }

  async tryOut(bytes: Uint8Array, options?: AbortOptions): Promise<ExecutedTransaction> {
    const transactionBlock = toBase64(bytes)
    const answer = await this.#ask(
      (signal) => this.#client.dryRunTransactionBlock({ transactionBlock, signal }),
      options
    )
    return outcomeOf(bytes, answer)
  }

  async executed(transaction: Hex, options?: AbortOptions): Promise<ExecutedTransaction | undefined> {
    try {
      const answer = await this.#ask(
        (signal) => this.#client.getTransactionBlock({ digest: toDigest(transaction), options: OPTIONS, signal }),
        options
      )
      return executedOf(answer, transaction)
    } catch (error) {
      if (error instanceof DdmError && error.cause instanceof JsonRpcError) return undefined
      throw error
    }
  }

  async #ask<T>(request: (signal: AbortSignal) => Promise<T>, { signal }: AbortOptions = {}): Promise<T> {
    const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS)
    try {
      return await request(signal === undefined ? timeout : AbortSignal.any([signal, timeout]))
    } catch (cause) {
      if (signal?.aborted === true) throw new DdmError('aborted', 'the request to the ledger was aborted', { cause })
      if (cause instanceof JsonRpcError && cause.code === TRANSACTION_REFUSED) {
        throw new RejectedTransaction(cause.message.slice(0, 300), { cause })
      }
      const why = cause instanceof Error ? cause.message.slice(0, 200) : 'no answer'
      throw new DdmError('unreachable', `${this.#url} did not answer: ${why}`, { cause })
    }
  }
}

/** The bytes are what the digest says; how it went is the word of the node that this side chose. */
function executedOf(answer: IotaTransactionBlockResponse, transaction: Hex): ExecutedTransaction {
  const { effects, balanceChanges, rawTransaction, timestampMs } = answer
  if (effects == null || balanceChanges == null || rawTransaction === undefined) {
    throw new DdmError('unreachable', `the ledger node says too little of transaction ${answer.digest}`)
  }
  const [signed] = bcs.SenderSignedData.fromBase64(rawTransaction)
  const bytes = bcs.TransactionData.serialize(signed?.intentMessage.value as never).toBytes()
  if (digestOf(bytes) !== transaction || fromDigest(answer.digest) !== transaction) {
    throw new DdmError('unreachable', `the ledger node answered with another transaction than ${transaction}`)
  }
  return outcomeOf(bytes, { effects, balanceChanges }, Number(timestampMs ?? 0))
}

function outcomeOf(
  bytes: Uint8Array,
  { effects, balanceChanges }: Pick<DryRunTransactionBlockResponse, 'effects' | 'balanceChanges'>,
  at = 0
): ExecutedTransaction {
  const { V1: data } = bcs.TransactionData.parse(bytes)
  const { computationCost, storageCost, storageRebate } = effects.gasUsed
  return {
    transaction: digestOf(bytes),
    failure: effects.status.status === 'success' ? undefined : (effects.status.error ?? 'it failed'),
    sender: hexOf(data.sender),
    gasOwner: hexOf(data.gasData.owner),
    fee: BigInt(computationCost) + BigInt(storageCost) - BigInt(storageRebate),
    changes: balanceChanges.flatMap(({ owner, coinType, amount }) => {
      if (typeof owner !== 'object' || !('AddressOwner' in owner) || !COIN_TYPE.test(coinType)) return []
      return { account: hexOf(owner.AddressOwner), amount: BigInt(amount) }
    }),
    gasCoin: coinOf(effects.gasObject.reference),
    created: (effects.created ?? []).flatMap(({ owner, reference }) => {
      if (typeof owner !== 'object' || !('AddressOwner' in owner)) return []
      return { ...coinOf(reference), owner: hexOf(owner.AddressOwner) }
    }),
    memos: memosOf(bytes),
    at
  }
}

function coinOf({ objectId, version, digest }: { objectId: string; version: string | number; digest: string }) {
  return { id: hexOf(objectId), version: BigInt(version), digest }
}

export function hexOf(address: string): Hex {
  return normalizeIotaAddress(address) as Hex
}
