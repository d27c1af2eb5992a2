import { toBase64 } from '@iota/bcs'
import { bcs } from '@iota/iota-sdk/bcs'
import { COIN_TYPE, type LedgerCoin, OBJECT_TYPE } from './coin.ts'
import { dependenciesOf, effectsBytes } from './effects.ts'
import type { Outcome } from './execute.ts'
import { failureText } from './failure.ts'
import { inputJson } from './input-json.ts'
import type { ExecutedRecord, Ledger } from './ledger.ts'
import { fields } from './params.ts'
import type { CheckedTransaction } from './transaction.ts'

/** Digest that stands for an object that is gone. */
export const DELETED = '7gyGAp71YXQRoxmFBaHxofQXAipvgHyBKPyxmdSJxyvz'

export function coinJson(ledger: Ledger, coin: LedgerCoin) {
  return {
    coinType: COIN_TYPE,
    coinObjectId: coin.id,
    version: `${coin.version}`,
    digest: ledger.digestOf(coin),
    balance: `${coin.balance}`,
    previousTransaction: coin.previous
  }
}

export function objectJson(ledger: Ledger, coin: LedgerCoin, wanted: unknown) {
  const options = fields(wanted)
  const content = {
    dataType: 'moveObject',
    type: OBJECT_TYPE,
    hasPublicTransfer: true,
    fields: { balance: `${coin.balance}`, id: { id: coin.id } }
  }
  return {
    objectId: coin.id,
    version: `${coin.version}`,
    digest: ledger.digestOf(coin),
    ...(options.showType === true ? { type: OBJECT_TYPE } : {}),
    ...(options.showOwner === true ? { owner: { AddressOwner: coin.owner } } : {}),
    ...(options.showPreviousTransaction === true ? { previousTransaction: coin.previous } : {}),
    ...(options.showStorageRebate === true ? { storageRebate: `${coin.rebate}` } : {}),
    ...(options.showContent === true ? { content } : {})
  }
}

/** What a transaction did, or would do. */
export function effectsJson(ledger: Ledger, transaction: CheckedTransaction, outcome: Outcome, epoch: bigint) {
  const { failure, gas, before, mutated, created, deleted, gasCoin, version } = outcome
  const reference = (coin: LedgerCoin) => ({
    owner: { AddressOwner: coin.owner },
    reference: { objectId: coin.id, version: Number(coin.version), digest: ledger.digestOf(coin) }
  })
  return {
    messageVersion: 'v1',
    status: failure === undefined ? { status: 'success' } : { status: 'failure', error: failureText(failure) },
    executedEpoch: `${epoch}`,
    gasUsed: {
      computationCost: `${gas.computationCost}`,
      computationCostBurned: `${gas.computationCost}`,
      storageCost: `${gas.storageCost}`,
      storageRebate: `${gas.storageRebate}`,
      nonRefundableStorageFee: '0'
    },
    transactionDigest: transaction.digest,
    modifiedAtVersions: byId(before).map((coin) => ({ objectId: coin.id, sequenceNumber: `${coin.version}` })),
    ...(created.length === 0 ? {} : { created: byId(created).map(reference) }),
    mutated: byId(mutated).map(reference),
    ...(deleted.length === 0
      ? {}
      : { deleted: deleted.toSorted().map((objectId) => ({ objectId, version: Number(version), digest: DELETED })) }),
    gasObject: reference(gasCoin),
    dependencies: dependenciesOf(outcome)
  }
}

export function balanceChangesJson({ before, mutated, created }: Outcome) {
  const deltas = new Map<string, bigint>()
  const add = (owner: string, amount: bigint): void => void deltas.set(owner, (deltas.get(owner) ?? 0n) + amount)
  for (const { owner, balance } of before) add(owner, -balance)
  for (const { owner, balance } of [...mutated, ...created]) add(owner, balance)
  return [...deltas]
    .filter(([, amount]) => amount !== 0n)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([owner, amount]) => ({ owner: { AddressOwner: owner }, coinType: COIN_TYPE, amount: `${amount}` }))
}

export function objectChangesJson(ledger: Ledger, { sender }: CheckedTransaction, outcome: Outcome) {
  const { before, mutated, created, deleted, version } = outcome
  const versionBefore = new Map(before.map((coin) => [coin.id, coin.version]))
  const common = (coin: LedgerCoin) => ({
    sender,
    owner: { AddressOwner: coin.owner },
    objectType: OBJECT_TYPE,
    objectId: coin.id,
    version: `${coin.version}`,
    digest: ledger.digestOf(coin)
  })
  return [
    ...mutated.map((coin) => ({
      type: 'mutated',
      ...common(coin),
      previousVersion: `${versionBefore.get(coin.id)}`
    })),
    ...created.map((coin) => ({ type: 'created', ...common(coin) })),
    ...deleted.map((objectId) => {
      return { type: 'deleted', sender, objectType: OBJECT_TYPE, objectId, version: `${version}` }
    })
  ]
}

/** What every answer about a transaction has, as far as it is asked for. */
export function recordJson(ledger: Ledger, record: ExecutedRecord, wanted: unknown) {
  const options = fields(wanted)
  const { transaction, outcome, signatures, epoch } = record
  const { digest } = transaction
  const raw = () => [...effectsBytes({ outcome, digest, epoch, digestOf: (coin) => ledger.digestOf(coin) })]
  return {
    digest,
    ...(options.showInput === true ? { transaction: inputJson(transaction, signatures) } : {}),
    ...(options.showRawInput === true ? { rawTransaction: rawInput(transaction, signatures) } : {}),
    ...(options.showEffects === true ? { effects: effectsJson(ledger, transaction, outcome, epoch) } : {}),
    ...(options.showRawEffects === true ? { rawEffects: raw() } : {}),
    ...(options.showEvents === true ? { events: [] } : {}),
    ...(options.showObjectChanges === true ? { objectChanges: objectChangesJson(ledger, transaction, outcome) } : {}),
    ...(options.showBalanceChanges === true ? { balanceChanges: balanceChangesJson(outcome) } : {})
  }
}

/** With what is known once a transaction is in a checkpoint: a node's answer to its execution does not have it yet. */
export function checkpointedJson(ledger: Ledger, record: ExecutedRecord, wanted: unknown) {
  const { at, checkpoint } = record
  return { ...recordJson(ledger, record, wanted), timestampMs: `${at}`, checkpoint: `${checkpoint}` }
}

function rawInput({ data }: CheckedTransaction, txSignatures: string[]): string {
  const intent = {
    scope: { TransactionData: true as const },
    version: { V0: true as const },
    appId: { Iota: true as const }
  }
  const signed = { intentMessage: { intent, value: { V1: data } }, txSignatures }
  return toBase64(bcs.SenderSignedData.serialize([signed] as never).toBytes())
}

function byId(coins: readonly LedgerCoin[]): LedgerCoin[] {
  return coins.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}
