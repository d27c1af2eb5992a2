import { fromBase64 } from '@iota/bcs'
import { bcs } from '@iota/iota-sdk/bcs'
import { TransactionDataBuilder } from '@iota/iota-sdk/transactions'
import { type LedgerCoin, normal } from './coin.ts'
import { INVALID_PARAMS, RpcError, refused } from './errors.ts'

export const GAS_PRICE = 1_000n
const MIN_BUDGET = 1_000n * GAS_PRICE
const MAX_BUDGET = 50_000_000_000n
const MAX_GAS_COINS = 256
/** What can be carried out without a Move VM. */
const COMMANDS: readonly string[] = ['SplitCoins', 'MergeCoins', 'TransferObjects', 'MakeMoveVec']
const UNSUPPORTED = -32_000

/** Bytes of a transaction. */
const MAX_BYTES = 128 * 1024

type TransactionData = ReturnType<typeof bcs.TransactionData.parse>['V1']
type Program = NonNullable<TransactionData['kind']['ProgrammableTransaction']>

/** A transaction whose inputs are there and its sender's, at the version that it names. */
export interface CheckedTransaction {
  digest: string
  bytes: Uint8Array
  data: TransactionData
  sender: string
  gasOwner: string
  gasPrice: bigint
  gasBudget: bigint
  payment: LedgerCoin[]
  inputs: Array<{ coin: LedgerCoin } | { pure: Uint8Array }>
  commands: Program['commands']
  /** Of everything that it changes: one above the highest that goes in (Lamport). */
  version: bigint
}

/** Where coins are looked up, with the digest of the version that is there. */
export interface CoinLookup {
  coin: (id: string) => LedgerCoin | undefined
  digestOf: (coin: LedgerCoin) => string
  epoch: bigint
}

/** Reads a transaction; whatever is wrong with it is said as a node says it. */
export function readTransaction(bytes: Uint8Array): TransactionData {
  if (bytes.length > MAX_BYTES) throw new RpcError(INVALID_PARAMS, `transaction of ${bytes.length} bytes is too large`)
  try {
    return bcs.TransactionData.parse(bytes).V1
  } catch (error) {
    throw new RpcError(INVALID_PARAMS, `Deserialization error: ${(error as Error).message.slice(0, 200)}`)
  }
}

export function digestOf(bytes: Uint8Array): string {
  return TransactionDataBuilder.getDigestFromBytes(bytes)
}

/** Everything that validators check before they carry a transaction out. */
export function checkTransaction(bytes: Uint8Array, lookup: CoinLookup, isDryRun = false): CheckedTransaction {
  const data = readTransaction(bytes)
  const sender = normal(data.sender)
  const { gasData, expiration } = data
  const gasOwner = normal(gasData.owner)
  const program = data.kind.ProgrammableTransaction
  if (program === undefined || program === null) throw refused('Unsupported transaction kind')
  if (expiration?.Epoch !== undefined && expiration.Epoch !== null && BigInt(expiration.Epoch) < lookup.epoch) {
    throw refused('Transaction Expired')
  }
  const gasPrice = BigInt(gasData.price)
  const gasBudget = BigInt(gasData.budget)
  if (gasPrice < GAS_PRICE) throw refused(`Gas price ${gasPrice} under reference gas price (RGP) ${GAS_PRICE}`)
  if (gasBudget < MIN_BUDGET || gasBudget > MAX_BUDGET) {
    throw refused(`Gas budget: ${gasBudget} is out of range [${MIN_BUDGET}, ${MAX_BUDGET}]`)
  }
  const foreign = program.commands.find(({ $kind }) => !COMMANDS.includes($kind))
  if (foreign !== undefined) {
    throw new RpcError(UNSUPPORTED, `${foreign.$kind} needs a Move VM; this ledger carries out coin commands only`)
  }
  const find = (reference: { objectId: string; version: string; digest: string }, owner: string, what: string) =>
    findCoin(reference, owner, what, lookup)
  let payment = gasData.payment.map((reference) => find(reference, gasOwner, 'gas object'))
  if (isDryRun && payment.length === 0) payment = [mockCoin(gasOwner)]
  if (payment.length === 0) throw refused('Gas payment must not be empty')
  if (payment.length > MAX_GAS_COINS) throw refused(`More than ${MAX_GAS_COINS} gas payment objects`)
  const inputs = program.inputs.map((input) => {
    if (input.Pure !== undefined && input.Pure !== null) return { pure: fromBase64(input.Pure.bytes) }
    const owned = input.Object?.ImmOrOwnedObject
    if (owned === undefined || owned === null) throw refused('Shared and receiving objects are not supported here')
    return { coin: find(owned, sender, 'object') }
  })
  const coins = [...payment, ...inputs.flatMap((input) => ('coin' in input ? input.coin : []))]
  if (new Set(coins.map(({ id }) => id)).size !== coins.length) {
    throw refused('Mutable object appears more than once in the transaction')
  }
  const held = payment.reduce((sum, { balance }) => sum + balance, 0n)
  if (held < gasBudget) {
    throw refused(`Balance of gas object ${held} is lower than the needed amount: ${gasBudget}`)
  }
  return {
    digest: digestOf(bytes),
    bytes,
    data,
    sender,
    gasOwner,
    gasPrice,
    gasBudget,
    payment,
    inputs,
    commands: program.commands,
    version: coins.reduce((highest, { version }) => (version > highest ? version : highest), 0n) + 1n
  }
}

function findCoin(
  { objectId, version, digest }: { objectId: string; version: string; digest: string },
  owner: string,
  what: string,
  lookup: CoinLookup
): LedgerCoin {
  const coin = lookup.coin(normal(objectId))
  if (coin === undefined) throw refused(`Could not find the referenced object ${objectId} at version ${version}`)
  if (coin.version !== BigInt(version)) {
    throw refused(
      `Object ID ${coin.id} Version ${version} Digest ${digest} is not available for consumption, current version: ${coin.version}`
    )
  }
  const actual = lookup.digestOf(coin)
  if (actual !== digest) throw refused(`Invalid Object digest for object ${coin.id}. Expected digest : ${actual}`)
  if (coin.owner !== owner) {
    throw refused(
      `Transaction was not signed by the correct sender: ${what} ${coin.id} is owned by account address ${coin.owner}, but given owner/signer address is ${owner}`
    )
  }
  return coin
}

/** What a dry run pays with when it is given nothing. */
function mockCoin(owner: string): LedgerCoin {
  const id = `0x${'ee'.repeat(32)}`
  return { id, owner, balance: 10n ** 18n, version: 1n, previous: '11111111111111111111111111111111', rebate: 0n }
}
