import { fromBase64, toBase64 } from '@iota/bcs'
import { bcs } from '@iota/iota-sdk/bcs'
import { isValidIotaAddress } from '@iota/iota-sdk/utils'
import { COIN_TYPE, type LedgerCoin, normal, OBJECT_TYPE } from './coin.ts'
import { INVALID_PARAMS, METHOD_NOT_FOUND, RpcError } from './errors.ts'
import type { Outcome } from './execute.ts'
import type { ExecutedRecord, Ledger } from './ledger.ts'
import { type CheckedTransaction, GAS_PRICE } from './transaction.ts'

const PAGE = 50
/** Digest that stands for an object that is gone. */
const DELETED = '7gyGAp71YXQRoxmFBaHxofQXAipvgHyBKPyxmdSJxyvz'

type Params = readonly unknown[]
type Method = (params: Params) => unknown

/** The JSON-RPC methods that a client of coins uses; answers have the shape that the SDK reads. */
export function rpcMethods(ledger: Ledger): Record<string, Method> {
  const owned = (params: Params): LedgerCoin[] => ledger.coinsOf(address(params[0]))
  const coins: Method = (params) => {
    const [cursor, limit] = params.slice(-2)
    return page(
      owned(params),
      (coin) => coin.id,
      cursor,
      limit,
      (coin) => coinJson(ledger, coin)
    )
  }
  const balance = (all: LedgerCoin[]) => ({
    coinType: COIN_TYPE,
    coinObjectCount: all.length,
    totalBalance: `${all.reduce((sum, coin) => sum + coin.balance, 0n)}`
  })
  const object = (id: unknown) => {
    const coin = ledger.coin(address(id))
    return coin === undefined ? { error: { code: 'notExists', object_id: id } } : { data: objectJson(ledger, coin) }
  }
  const found = (digest: unknown, options: unknown) => {
    const record = ledger.record(text(digest))
    if (record === undefined) {
      throw new RpcError(INVALID_PARAMS, `Could not find the referenced transaction [TransactionDigest(${digest})].`)
    }
    return recordJson(record, options, ledger)
  }
  return {
    'rpc.discover': () => ({ info: { version: '1.15.0' } }),
    iota_getChainIdentifier: () => ledger.chainIdentifier,
    iota_getLatestCheckpointSequenceNumber: () => `${ledger.checkpoint}`,
    iotax_getReferenceGasPrice: () => `${GAS_PRICE}`,
    iotax_getCoins: ([owner, type, cursor, limit]) => {
      if (type !== undefined && type !== null && !isOwnType(text(type)))
        return { data: [], nextCursor: null, hasNextPage: false }
      return coins([owner, cursor, limit])
    },
    iotax_getAllCoins: ([owner, cursor, limit]) => coins([owner, cursor, limit]),
    iotax_getBalance: (params) => balance(owned(params)),
    iotax_getAllBalances: (params) => [balance(owned(params))],
    iota_getObject: ([id]) => object(id),
    iota_multiGetObjects: ([ids]) => array(ids).map(object),
    iota_dryRunTransactionBlock: ([bytes]) => {
      const { transaction, outcome } = ledger.dryRun(fromBase64(text(bytes)))
      return { ...effectsJson(transaction, outcome, ledger), events: [], input: {} }
    },
    iota_executeTransactionBlock: async ([bytes, signatures, options]) =>
      recordJson(await ledger.execute(text(bytes), array(signatures).map(text)), options, ledger),
    iota_getTransactionBlock: ([digest, options]) => found(digest, options),
    iota_multiGetTransactionBlocks: ([digests, options]) => array(digests).map((digest) => found(digest, options)),
    iota_isTransactionIndexedOnNode: ([digest]) => ledger.record(text(digest)) !== undefined,
    iotax_queryTransactionBlocks: ([query, cursor, limit, descending]) => {
      const { filter, options } = (query ?? {}) as { filter?: unknown; options?: unknown }
      const matching = ledger.records.filter((record) => matches(record, filter))
      if (descending === true) matching.reverse()
      return page(
        matching,
        ({ transaction }) => transaction.digest,
        cursor,
        limit,
        (record) => recordJson(record, options, ledger)
      )
    }
  }
}

export async function callMethod(methods: Record<string, Method>, name: unknown, params: unknown): Promise<unknown> {
  const method = typeof name === 'string' && Object.hasOwn(methods, name) ? methods[name] : undefined
  if (method === undefined) throw new RpcError(METHOD_NOT_FOUND, 'Method not found')
  return method(params === undefined ? [] : array(params))
}

function text(value: unknown): string {
  if (typeof value === 'string') return value
  throw new RpcError(INVALID_PARAMS, 'Invalid params: expected a string')
}

function array(value: unknown): unknown[] {
  if (Array.isArray(value)) return value
  throw new RpcError(INVALID_PARAMS, 'Invalid params: expected a list')
}

function address(value: unknown): string {
  const given = normal(text(value))
  if (!isValidIotaAddress(given)) throw new RpcError(INVALID_PARAMS, 'Invalid params: expected an address')
  return given
}

function isOwnType(type: string): boolean {
  return /^0x0*2::iota::IOTA$/.test(type)
}

function page<T>(all: T[], keyOf: (item: T) => string, cursor: unknown, limit: unknown, show: (item: T) => unknown) {
  const from = cursor === undefined || cursor === null ? 0 : all.findIndex((item) => keyOf(item) === cursor) + 1
  const size = typeof limit === 'number' && limit > 0 ? Math.min(limit, PAGE) : PAGE
  const items = all.slice(from, from + size)
  const last = items.at(-1)
  return {
    data: items.map(show),
    nextCursor: last === undefined ? null : keyOf(last),
    hasNextPage: all.length > from + items.length
  }
}

function matches({ transaction, outcome }: ExecutedRecord, filter: unknown): boolean {
  if (filter === undefined || filter === null) return true
  const { FromAddress, ToAddress, FromAndToAddress, InputObject } = filter as Record<string, unknown>
  const reaches = (to: unknown): boolean => {
    const owner = address(to)
    return [...outcome.mutated, ...outcome.created].some((coin) => coin.owner === owner)
  }
  if (FromAddress !== undefined) return transaction.sender === address(FromAddress)
  if (ToAddress !== undefined) return reaches(ToAddress)
  if (FromAndToAddress !== undefined) {
    const { from, to } = FromAndToAddress as { from: unknown; to: unknown }
    return transaction.sender === address(from) && reaches(to)
  }
  if (InputObject !== undefined) return outcome.before.some(({ id }) => id === address(InputObject))
  throw new RpcError(INVALID_PARAMS, `filter ${Object.keys(filter as object).join(', ')} is not supported here`)
}

function coinJson(ledger: Ledger, coin: LedgerCoin) {
  return {
    coinType: COIN_TYPE,
    coinObjectId: coin.id,
    version: `${coin.version}`,
    digest: ledger.digestOf(coin),
    balance: `${coin.balance}`,
    previousTransaction: coin.previous
  }
}

function objectJson(ledger: Ledger, coin: LedgerCoin) {
  return {
    objectId: coin.id,
    version: `${coin.version}`,
    digest: ledger.digestOf(coin),
    type: OBJECT_TYPE,
    owner: { AddressOwner: coin.owner }
  }
}

function effectsJson(transaction: CheckedTransaction, outcome: Outcome, ledger: Ledger) {
  const { failure, gas, before, mutated, created, deleted, gasCoin, version } = outcome
  const reference = (coin: LedgerCoin) => ({
    owner: { AddressOwner: coin.owner },
    reference: { objectId: coin.id, version: Number(coin.version), digest: ledger.digestOf(coin) }
  })
  const deltas = new Map<string, bigint>()
  const add = (owner: string, amount: bigint): void => void deltas.set(owner, (deltas.get(owner) ?? 0n) + amount)
  for (const { owner, balance } of before) add(owner, -balance)
  for (const { owner, balance } of [...mutated, ...created]) add(owner, balance)
  const versionBefore = new Map(before.map((coin) => [coin.id, coin.version]))
  return {
    effects: {
      messageVersion: 'v1',
      status: failure === undefined ? { status: 'success' } : { status: 'failure', error: failure },
      executedEpoch: `${ledger.epoch}`,
      gasUsed: {
        computationCost: `${gas.computationCost}`,
        computationCostBurned: `${gas.computationCost}`,
        storageCost: `${gas.storageCost}`,
        storageRebate: `${gas.storageRebate}`,
        nonRefundableStorageFee: '0'
      },
      transactionDigest: transaction.digest,
      modifiedAtVersions: before.map((coin) => ({ objectId: coin.id, sequenceNumber: `${coin.version}` })),
      created: created.map(reference),
      mutated: mutated.map(reference),
      deleted: deleted.map((objectId) => ({ objectId, version: Number(version), digest: DELETED })),
      gasObject: reference(gasCoin),
      dependencies: [...new Set(before.map(({ previous }) => previous))]
    },
    balanceChanges: [...deltas]
      .filter(([, amount]) => amount !== 0n)
      .map(([owner, amount]) => ({ owner: { AddressOwner: owner }, coinType: COIN_TYPE, amount: `${amount}` })),
    objectChanges: [...created, ...mutated].map((coin) => ({
      type: versionBefore.has(coin.id) ? 'mutated' : 'created',
      sender: transaction.sender,
      owner: { AddressOwner: coin.owner },
      objectType: OBJECT_TYPE,
      objectId: coin.id,
      version: `${coin.version}`,
      digest: ledger.digestOf(coin),
      ...(versionBefore.has(coin.id) ? { previousVersion: `${versionBefore.get(coin.id)}` } : {})
    }))
  }
}

function recordJson(record: ExecutedRecord, wanted: unknown, ledger: Ledger) {
  const options = (wanted ?? {}) as Record<string, boolean | undefined>
  const { transaction, outcome, signatures, checkpoint, at } = record
  const { effects, balanceChanges, objectChanges } = effectsJson(transaction, outcome, ledger)
  return {
    digest: transaction.digest,
    timestampMs: `${at}`,
    checkpoint: `${checkpoint}`,
    ...(options.showEffects === true ? { effects } : {}),
    ...(options.showBalanceChanges === true ? { balanceChanges } : {}),
    ...(options.showObjectChanges === true ? { objectChanges } : {}),
    ...(options.showEvents === true ? { events: [] } : {}),
    ...(options.showRawInput === true ? { rawTransaction: rawOf(transaction, signatures) } : {}),
    ...(options.showInput === true ? { transaction: inputJson(transaction, signatures) } : {})
  }
}

function rawOf({ data }: CheckedTransaction, txSignatures: string[]): string {
  const intent = {
    scope: { TransactionData: true as const },
    version: { V0: true as const },
    appId: { Iota: true as const }
  }
  const signed = { intentMessage: { intent, value: { V1: data } }, txSignatures }
  return toBase64(bcs.SenderSignedData.serialize([signed] as never).toBytes())
}

function inputJson({ data, sender, commands }: CheckedTransaction, txSignatures: string[]) {
  const inputs = data.kind.ProgrammableTransaction?.inputs ?? []
  return {
    txSignatures,
    data: {
      messageVersion: 'v1',
      sender,
      gasData: data.gasData,
      transaction: {
        kind: 'ProgrammableTransaction',
        inputs: inputs.map((input) =>
          input.Pure === undefined || input.Pure === null
            ? { type: 'object', objectType: 'immOrOwnedObject', ...input.Object?.ImmOrOwnedObject }
            : { type: 'pure', valueType: null, value: [...fromBase64(input.Pure.bytes)] }
        ),
        transactions: commands.map(({ $kind: _kind, ...command }) => command)
      }
    }
  }
}
