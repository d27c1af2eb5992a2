import { fromBase64 } from '@iota/bcs'
import { bcs } from '@iota/iota-sdk/bcs'
import { TransactionDataBuilder } from '@iota/iota-sdk/transactions'
import { type LedgerCoin, normal } from './coin.ts'
import { INVALID_PARAMS, RpcError, refused } from './errors.ts'
import { checkGas, checkSizes, MAX_TRANSACTION_BYTES } from './limits.ts'

/** What can be carried out without a Move VM. */
const COMMANDS: readonly string[] = ['SplitCoins', 'MergeCoins', 'TransferObjects', 'MakeMoveVec']
const NO_MOVE_VM = -32_000

type TransactionData = ReturnType<typeof bcs.TransactionData.parse>['V1']
export type Program = NonNullable<TransactionData['kind']['ProgrammableTransaction']>
export type Command = Program['commands'][number]

interface ObjectReference {
  objectId: string
  version: string
  digest: string
}

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
}

export interface CheckOptions {
  /** Transactions that expired before it are refused. */
  epoch: bigint
  /** What is only tried out needs no gas coin. @default false */
  isDryRun?: boolean
}

/** Reads a transaction; whatever is wrong with it is said as a node says it. */
export function readTransaction(bytes: Uint8Array): TransactionData {
  if (bytes.length > MAX_TRANSACTION_BYTES) {
    throw new RpcError(INVALID_PARAMS, `transaction of ${bytes.length} bytes is too large`)
  }
  let again: Uint8Array
  let data: TransactionData
  try {
    const parsed = bcs.TransactionData.parse(bytes)
    again = bcs.TransactionData.serialize(parsed).toBytes()
    data = parsed.V1
  } catch (error) {
    throw new RpcError(INVALID_PARAMS, `Deserialization error: ${(error as Error).message.slice(0, 200)}`)
  }
  // The SDK's parser stops at the end of the value: what follows would change the digest alone.
  if (Buffer.compare(again, bytes) !== 0) throw new RpcError(INVALID_PARAMS, 'Deserialization error: remaining input')
  return data
}

export function digestOf(bytes: Uint8Array): string {
  return TransactionDataBuilder.getDigestFromBytes(bytes)
}

/** Everything that validators check before they carry a transaction out. */
export function checkTransaction(bytes: Uint8Array, lookup: CoinLookup, options: CheckOptions): CheckedTransaction {
  const data = readTransaction(bytes)
  const sender = normal(data.sender)
  const { gasData } = data
  const gasOwner = normal(gasData.owner)
  const program = programOf(data)
  const dueEpoch = data.expiration?.Epoch ?? undefined
  if (dueEpoch !== undefined && BigInt(dueEpoch) < options.epoch) throw refused('Transaction Expired')
  const usesMock = options.isDryRun === true && gasData.payment.length === 0
  if (gasData.payment.length === 0 && !usesMock) throw refused('Transaction gas payment missing')
  checkSizes(program, gasData.payment.length)
  const inputs = program.inputs.map((input) => {
    if (input.Pure !== undefined && input.Pure !== null) return { pure: fromBase64(input.Pure.bytes) }
    const owned = input.Object?.ImmOrOwnedObject
    if (owned === undefined || owned === null) throw refused('Shared and receiving objects are not supported here')
    return { coin: findCoin(owned, sender, lookup) }
  })
  const payment = usesMock
    ? [mockCoin(gasOwner)]
    : gasData.payment.map((reference) => findCoin(reference, gasOwner, lookup))
  refuseTwice(
    inputs.flatMap((input) => ('coin' in input ? input.coin : [])),
    payment
  )
  const gasPrice = BigInt(gasData.price)
  const gasBudget = BigInt(gasData.budget)
  checkGas(gasPrice, gasBudget)
  const held = payment.reduce((sum, { balance }) => sum + balance, 0n)
  if (held < gasBudget) throw refused(`Balance of gas object ${held} is lower than the needed amount: ${gasBudget}`)
  const coins = [...payment, ...inputs.flatMap((input) => ('coin' in input ? input.coin : []))]
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

function programOf({ kind }: TransactionData): Program {
  const program = kind.ProgrammableTransaction
  if (program === undefined || program === null) throw refused('Unsupported transaction kind')
  const foreign = program.commands.find(({ $kind }) => !COMMANDS.includes($kind))
  if (foreign === undefined) return program
  throw new RpcError(NO_MOVE_VM, `${foreign.$kind} needs a Move VM; this ledger carries out coin commands only`)
}

function findCoin({ objectId, version, digest }: ObjectReference, owner: string, lookup: CoinLookup): LedgerCoin {
  const coin = lookup.coin(normal(objectId))
  if (coin === undefined) throw refused(`Could not find the referenced object ${objectId} at version Some(${version})`)
  if (coin.version !== BigInt(version)) {
    throw refused(
      `Object ID ${coin.id} Version ${version} Digest ${digest} is not available for consumption, current version: ${coin.version}`
    )
  }
  const actual = lookup.digestOf(coin)
  if (actual !== digest) throw refused(`Invalid Object digest for object ${coin.id}. Expected digest : ${actual}`)
  if (coin.owner !== owner) {
    throw refused(
      `Transaction was not signed by the correct sender: Object ${coin.id} is owned by account address ${coin.owner}, but given owner/signer address is ${owner}`
    )
  }
  return coin
}

function refuseTwice(inputs: readonly LedgerCoin[], payment: readonly LedgerCoin[]): void {
  if (new Set(inputs).size !== inputs.length) throw refused("The transaction inputs contain duplicated ObjectRef's")
  const seen = new Set(inputs.map(({ id }) => id))
  for (const { id } of payment) {
    if (seen.has(id)) throw refused(`Mutable object ${id} cannot appear more than one in one transaction`)
    seen.add(id)
  }
}

/** What a dry run pays with when it is given nothing. */
function mockCoin(owner: string): LedgerCoin {
  const id = `0x${'ee'.repeat(32)}`
  return { id, owner, balance: 10n ** 18n, version: 1n, previous: '11111111111111111111111111111111', rebate: 0n }
}
