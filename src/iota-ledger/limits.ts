import { refused, sizeExceeded } from './errors.ts'
import type { Program } from './transaction.ts'

/** Nanos for a unit of computation: what the network asks at least, and what it takes at most. */
export const GAS_PRICE = 1_000n
const MAX_GAS_PRICE = 100_000n
/** Units that any transaction costs. */
const MIN_UNITS = 1_000n
/** Nanos. */
const MAX_BUDGET = 50_000_000_000n

/** @source iota-protocol-config; those with `below` are exclusive there */
export const MAX_TRANSACTION_BYTES = 128 * 1024
const BELOW_GAS_COINS = 256
const BELOW_COMMANDS = 1_024
const BELOW_ARGUMENTS = 512
const BELOW_PURE_BYTES = 16 * 1024
const MAX_INPUT_OBJECTS = 2_048

const EMPTY_COMMAND =
  'TransferObjects, MergeCoin, and Publish cannot have empty arguments. If MakeMoveVec has empty arguments, it must have a type specified'

/** @throws RpcError */
export function checkGas(price: bigint, budget: bigint): void {
  if (price < GAS_PRICE) throw refused(`Gas price ${price} under reference gas price (RGP) ${GAS_PRICE}`)
  if (price > MAX_GAS_PRICE) throw refused(`Gas price cannot exceed ${MAX_GAS_PRICE} nanos`)
  if (budget > MAX_BUDGET) throw refused(`Gas budget: ${budget} is higher than max: ${MAX_BUDGET}`)
  const least = MIN_UNITS * price
  if (budget < least) throw refused(`Gas budget: ${budget} is lower than min: ${least}`)
}

/** @throws RpcError */
export function checkSizes({ inputs, commands }: Program, gasCoins: number): void {
  if (gasCoins >= BELOW_GAS_COINS) throw sizeExceeded('maximum number of gas payment objects', BELOW_GAS_COINS)
  if (commands.length >= BELOW_COMMANDS) {
    throw sizeExceeded('maximum commands in a programmable transaction', BELOW_COMMANDS)
  }
  if (inputs.filter(({ $kind }) => $kind === 'Object').length > MAX_INPUT_OBJECTS) {
    throw sizeExceeded('maximum input + receiving objects in a transaction', MAX_INPUT_OBJECTS)
  }
  for (const { Pure } of inputs) {
    if (Pure !== undefined && Pure !== null && Buffer.byteLength(Pure.bytes, 'base64') >= BELOW_PURE_BYTES) {
      throw sizeExceeded('maximum pure argument size', BELOW_PURE_BYTES)
    }
  }
  for (const command of commands) {
    const { length, mayBeEmpty } = argumentsOf(command)
    if (length === 0 && !mayBeEmpty) throw refused(EMPTY_COMMAND)
    if (length >= BELOW_ARGUMENTS) {
      throw sizeExceeded('maximum arguments in a programmable transaction command', BELOW_ARGUMENTS)
    }
  }
}

function argumentsOf(command: Program['commands'][number]): { length: number; mayBeEmpty: boolean } {
  switch (command.$kind) {
    case 'SplitCoins':
      return { length: command.SplitCoins.amounts.length, mayBeEmpty: false }
    case 'MergeCoins':
      return { length: command.MergeCoins.sources.length, mayBeEmpty: false }
    case 'TransferObjects':
      return { length: command.TransferObjects.objects.length, mayBeEmpty: false }
    case 'MakeMoveVec':
      return { length: command.MakeMoveVec.elements.length, mayBeEmpty: command.MakeMoveVec.type !== null }
    default:
      return { length: 0, mayBeEmpty: true }
  }
}
