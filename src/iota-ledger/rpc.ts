import { COIN_TYPE, type LedgerCoin } from './coin.ts'
import { INVALID_PARAMS, METHOD_NOT_FOUND, RpcError, unknownTransaction } from './errors.ts'
import { inputJson } from './input-json.ts'
import {
  balanceChangesJson,
  checkpointedJson,
  coinJson,
  DELETED,
  effectsJson,
  objectChangesJson,
  objectJson,
  recordJson
} from './json.ts'
import type { Ledger } from './ledger.ts'
import { GAS_PRICE } from './limits.ts'
import { address, base64, digest, fields, limitedList, limitOf, list, pageOf, text } from './params.ts'
import { queryRecords } from './query.ts'

/** Of the SDK that the answers were made for. */
const VERSION = '1.15.0'
const OWN_TYPE = /^0x0*2::iota::IOTA$/

type Method = (params: readonly unknown[]) => unknown
export type Methods = Readonly<Record<string, Method>>

/** The JSON-RPC methods that a client of coins uses; answers have the shape that the SDK reads. */
export function rpcMethods(ledger: Ledger): Methods {
  const coins: Method = ([owner, cursor, limit]) => {
    const after = cursor === undefined || cursor === null ? '' : address(cursor)
    const found = ledger.coinsOf(address(owner)).filter(({ id }) => id > after)
    return pageOf(
      found,
      limitOf(limit),
      ({ id }) => id,
      (coin) => coinJson(ledger, coin)
    )
  }
  const ownCoins = (owner: unknown, type: unknown): LedgerCoin[] => {
    const all = ledger.coinsOf(address(owner))
    return isOwnType(type) ? all : []
  }
  const object = (given: unknown, options: unknown) => {
    const id = address(given)
    const coin = ledger.coin(id)
    if (coin !== undefined) return { data: objectJson(ledger, coin, options) }
    const end = ledger.deletedAt(id)
    if (end === undefined) return { error: { code: 'notExists', object_id: id } }
    return { error: { code: 'deleted', object_id: id, version: `${end}`, digest: DELETED } }
  }
  const found = (given: unknown, options: unknown) => {
    const record = ledger.record(digest(given))
    if (record === undefined) throw unknownTransaction(digest(given))
    return checkpointedJson(ledger, record, options)
  }
  return {
    'rpc.discover': () => ({ info: { title: 'a local ledger', version: VERSION } }),
    iota_getChainIdentifier: () => ledger.chainIdentifier,
    iota_getLatestCheckpointSequenceNumber: () => `${ledger.checkpoint}`,
    iota_getTotalTransactionBlocks: () => `${ledger.checkpoint}`,
    iotax_getReferenceGasPrice: () => `${GAS_PRICE}`,
    iotax_getCoins: ([owner, type, cursor, limit]) =>
      isOwnType(type) ? coins([owner, cursor, limit]) : { data: [], nextCursor: null, hasNextPage: false },
    iotax_getAllCoins: coins,
    iotax_getBalance: ([owner, type]) => balanceJson(ownCoins(owner, type), type),
    iotax_getAllBalances: ([owner]) => {
      const all = ownCoins(owner, undefined)
      return all.length === 0 ? [] : [balanceJson(all)]
    },
    iota_getObject: ([id, options]) => object(id, options),
    iota_multiGetObjects: ([ids, options]) => limitedList(ids).map((id) => object(id, options)),
    iota_dryRunTransactionBlock: ([bytes]) => {
      const { transaction, outcome, epoch } = ledger.dryRun(base64(bytes))
      return {
        effects: effectsJson(ledger, transaction, outcome, epoch),
        events: [],
        objectChanges: objectChangesJson(ledger, transaction, outcome),
        balanceChanges: balanceChangesJson(outcome),
        input: inputJson(transaction, []).data
      }
    },
    iota_executeTransactionBlock: async ([bytes, signatures, options]) => {
      const record = await ledger.execute(base64(bytes), list(signatures).map(text))
      // Time and checkpoint are known when it is looked up.
      return { ...recordJson(ledger, record, options), confirmedLocalExecution: true }
    },
    iota_getTransactionBlock: ([given, options]) => found(given, options),
    iota_multiGetTransactionBlocks: ([given, options]) => {
      const digests = limitedList(given).map(digest)
      if (new Set(digests).size < digests.length) throw new RpcError(INVALID_PARAMS, 'Input contains duplicates')
      return digests.map((one) => (ledger.record(one) === undefined ? { digest: one } : found(one, options)))
    },
    iota_isTransactionIndexedOnNode: ([given]) => ledger.record(digest(given)) !== undefined,
    iotax_queryTransactionBlocks: ([query, cursor, limit, descending]) => {
      const { filter, options } = fields(query)
      const size = limitOf(limit)
      return pageOf(
        queryRecords(ledger.records, { filter, cursor, limit: size + 1, isDescending: descending === true }),
        size,
        ({ transaction }) => transaction.digest,
        (record) => checkpointedJson(ledger, record, options)
      )
    }
  }
}

export async function callMethod(methods: Methods, name: unknown, params: unknown): Promise<unknown> {
  const method = typeof name === 'string' && Object.hasOwn(methods, name) ? methods[name] : undefined
  if (method === undefined) throw new RpcError(METHOD_NOT_FOUND, 'Method not found')
  return method(params === undefined || params === null ? [] : list(params))
}

function isOwnType(type: unknown): boolean {
  return type === undefined || type === null || OWN_TYPE.test(text(type))
}

function balanceJson(coins: readonly LedgerCoin[], type?: unknown) {
  return {
    coinType: typeof type === 'string' && !OWN_TYPE.test(type) ? type : COIN_TYPE,
    coinObjectCount: coins.length,
    totalBalance: `${coins.reduce((sum, { balance }) => sum + balance, 0n)}`
  }
}
