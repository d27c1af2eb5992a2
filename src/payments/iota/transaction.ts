import { fromBase58, fromBase64, toBase58, toHex } from '@iota/bcs'
import { bcs } from '@iota/iota-sdk/bcs'
import { Transaction, TransactionDataBuilder } from '@iota/iota-sdk/transactions'
import type { Hex } from '../../interface/index.ts'
import type { Coin } from './ledger-client.ts'

/** One transfer of a transaction. */
export interface Output {
  to: Hex
  /** Nanos. */
  amount: bigint
}

export interface TransactionDraft {
  sender: Hex
  /** Pay, and are merged by it; the first of them remains. */
  coins: readonly Coin[]
  outputs: readonly Output[]
  memos: readonly Uint8Array[]
  /** Nanos per unit, and most that the fee may be. */
  gasPrice: bigint
  gasBudget: bigint
  /** Who pays the fee, and with which coin. @default the sender, with `coins` */
  sponsor?: { owner: Hex; coin: Coin }
}

/**
 * A programmable transaction that splits off each amount, transfers it, and carries the memos: byte vectors that nothing
 * uses. Built without asking anybody.
 *
 * @returns BCS
 */
export async function buildTransaction(draft: TransactionDraft): Promise<Uint8Array> {
  const { sender, coins, outputs, memos, gasPrice, gasBudget, sponsor } = draft
  const transaction = new Transaction()
  transaction.setSender(sender)
  transaction.setGasPrice(gasPrice)
  transaction.setGasBudget(gasBudget)
  transaction.setGasPayment((sponsor === undefined ? coins : [sponsor.coin]).map(reference))
  if (sponsor !== undefined) transaction.setGasOwner(sponsor.owner)
  if (outputs.length > 0) {
    const source = sponsor === undefined ? transaction.gas : ownCoin(transaction, coins)
    const parts = transaction.splitCoins(
      source,
      outputs.map(({ amount }) => amount)
    )
    for (const [index, { to }] of outputs.entries()) transaction.transferObjects([parts[index] as never], to)
  }
  for (const memo of memos) {
    transaction.makeMoveVec({ type: 'vector<u8>', elements: [transaction.pure.vector('u8', [...memo])] })
  }
  return transaction.build()
}

/** Of a sponsored transaction the payer's coin is an input like any other. */
function ownCoin(transaction: Transaction, [first, ...others]: readonly Coin[]) {
  const inputs = [first as Coin, ...others].map((coin) => transaction.objectRef(reference(coin)))
  const [source, ...merged] = inputs
  if (source === undefined) throw new Error('a transaction needs a coin')
  if (merged.length > 0) transaction.mergeCoins(source, merged)
  return source
}

function reference({ id, version, digest }: Coin) {
  return { objectId: id, version: version.toString(), digest }
}

/** 32 bytes, as they are written in payments. */
export function digestOf(bytes: Uint8Array): Hex {
  return fromDigest(TransactionDataBuilder.getDigestFromBytes(bytes))
}

export function fromDigest(base58: string): Hex {
  return `0x${toHex(fromBase58(base58))}`
}

export function toDigest(transaction: Hex): string {
  return toBase58(Buffer.from(transaction.slice(2), 'hex'))
}

/** The byte vectors that a transaction carries without using them. */
export function memosOf(bytes: Uint8Array): Uint8Array[] {
  const { inputs, commands } = programOf(bytes)
  return commands.flatMap((command) => {
    if (command.$kind !== 'MakeMoveVec' || command.MakeMoveVec.type !== 'vector<u8>') return []
    return command.MakeMoveVec.elements.flatMap((element) => {
      const input = element.$kind === 'Input' ? inputs[element.Input] : undefined
      return input?.Pure === undefined ? [] : readBytes(fromBase64(input.Pure.bytes))
    })
  })
}

function readBytes(value: Uint8Array): Uint8Array[] {
  try {
    return [Uint8Array.from(bcs.vector(bcs.u8()).parse(value))]
  } catch {
    return []
  }
}

/** Whether somebody else than the sender pays its fee. */
export function isSponsored(bytes: Uint8Array): boolean {
  const { sender, gas } = programOf(bytes)
  return sender !== gas.owner
}

export function programOf(bytes: Uint8Array) {
  const { V1: data } = bcs.TransactionData.parse(bytes)
  const program = data.kind.ProgrammableTransaction
  return {
    sender: data.sender as Hex,
    gas: data.gasData,
    inputs: program?.inputs ?? [],
    commands: program?.commands ?? []
  }
}
