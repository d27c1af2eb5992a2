import { fromBase58, toBase58 } from '@iota/bcs'
import { bcs } from '@iota/iota-sdk/bcs'
import type { Blake, LedgerCoin } from './coin.ts'
import type { Outcome } from './execute.ts'

const EFFECTS_DOMAIN = new TextEncoder().encode('TransactionEffects::')

export interface EffectsInput {
  outcome: Outcome
  /** Of the transaction, base58. */
  digest: string
  epoch: bigint
  digestOf: (coin: LedgerCoin) => string
}

/** What a transaction did, in the bytes that validators sign. */
export function effectsBytes({ outcome, digest, epoch, digestOf }: EffectsInput): Uint8Array {
  const { failure, gas, before, mutated, created, deleted, gasCoin, version } = outcome
  const owned = ({ owner }: LedgerCoin) => ({ AddressOwner: owner })
  const priorById = new Map(before.map((coin) => [coin.id, coin]))
  const existed = (id: string) => {
    const coin = priorById.get(id)
    return coin === undefined ? { NotExist: true } : { Exist: [[coin.version, digestOf(coin)], owned(coin)] }
  }
  const written = (coin: LedgerCoin) => ({ ObjectWrite: [digestOf(coin), owned(coin)] })
  const changes = [
    ...mutated.map((coin) => [coin.id, change(existed(coin.id), written(coin), 'None')] as const),
    ...created.map((coin) => [coin.id, change({ NotExist: true }, written(coin), 'Created')] as const),
    ...deleted.map((id) => [id, change(existed(id), { NotExist: true }, 'Deleted')] as const)
  ].sort(([a], [b]) => (a < b ? -1 : 1))
  const effects = {
    status:
      failure === undefined
        ? { Success: true }
        : { Failed: { error: failure.status, command: failure.command ?? null } },
    executedEpoch: epoch,
    gasUsed: { ...gas, computationCostBurned: gas.computationCost, nonRefundableStorageFee: 0n },
    transactionDigest: digest,
    gasObjectIndex: changes.findIndex(([id]) => id === gasCoin.id),
    eventsDigest: null,
    dependencies: dependenciesOf(outcome),
    lamportVersion: version,
    changedObjects: changes,
    unchangedSharedObjects: [],
    auxDataDigest: null
  }
  return bcs.TransactionEffects.serialize({ V1: effects } as never).toBytes()
}

export function effectsDigest(blake: Blake, bytes: Uint8Array): string {
  return toBase58(blake(EFFECTS_DOMAIN, bytes))
}

/** Transactions that made what goes in, in the order of their bytes. */
export function dependenciesOf({ before }: Outcome): string[] {
  return [...new Set(before.map(({ previous }) => previous))]
    .map((digest) => ({ digest, bytes: fromBase58(digest) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ digest }) => digest)
}

function change(inputState: object, outputState: object, operation: 'None' | 'Created' | 'Deleted') {
  return { inputState, outputState, idOperation: { [operation]: true } }
}
