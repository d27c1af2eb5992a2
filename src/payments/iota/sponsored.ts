import { normalizeIotaAddress } from '@iota/iota-sdk/utils'
import type { Gas, Hex, TransferPayload } from '../../interface/index.ts'
import { digestOf, fromDigest, programOf } from './transaction.ts'

type Command = ReturnType<typeof programOf>['commands'][number]

/**
 * Pure: why a seller does not put its signature under a transaction; undefined when all that it can cost is the fee that was
 * offered. Whether it is the payment is judged by what it would do, and did.
 */
export function sponsorProblem(
  { transaction, unsent }: TransferPayload,
  gas: Gas | undefined,
  sponsor: Hex
): string | undefined {
  if (unsent === undefined) return undefined
  if (gas === undefined) return 'no fee was offered for this payment'
  try {
    if (digestOf(unsent.bytes) !== transaction) return `the transaction's digest is not ${transaction}`
    const { gas: paid, commands } = programOf(unsent.bytes)
    if (normalizeIotaAddress(paid.owner) !== sponsor) return `its fee is paid by ${paid.owner}, not by ${sponsor}`
    const [coin, ...others] = paid.payment
    const same =
      coin !== undefined &&
      others.length === 0 &&
      normalizeIotaAddress(coin.objectId) === gas.coin &&
      BigInt(coin.version) === gas.version &&
      fromDigest(coin.digest) === gas.digest
    if (!same) return 'its fee is paid with another coin than was offered'
    if (BigInt(paid.price) !== gas.price || BigInt(paid.budget) > gas.budget) {
      return `its fee is up to ${paid.budget} at ${paid.price}, offered were ${gas.budget} at ${gas.price}`
    }
    if (commands.some(usesGasCoin)) return 'it moves the coin that pays the fee'
    return commandProblem(commands)
  } catch (error) {
    return `the transaction cannot be read: ${(error as Error).message.slice(0, 120)}`
  }
}

/**
 * Merging, and once each: one amount, one coin that is transferred, one memo. The sponsor pays the deposit of a new coin, which
 * its owner gets back. What these commands do follows from coins that one side owns: the same when tried out as when carried out.
 */
function commandProblem(commands: readonly Command[]): string | undefined {
  const seen = new Set<string>()
  for (const command of commands) {
    const { $kind } = command
    if ($kind === 'MergeCoins') continue
    const parts = partsOf(command)
    if (parts === undefined) return `${$kind} is no part of a payment`
    if (parts !== 1 || seen.has($kind)) return `${$kind} of more than one part is more than a payment`
    seen.add($kind)
  }
  return undefined
}

function partsOf({ SplitCoins, TransferObjects, MakeMoveVec }: Command): number | undefined {
  return SplitCoins?.amounts.length ?? TransferObjects?.objects.length ?? MakeMoveVec?.elements.length
}

/** Whatever the command is: none of its arguments may be the gas coin. */
function usesGasCoin(command: unknown): boolean {
  if (typeof command !== 'object' || command === null) return false
  if ((command as { $kind?: unknown }).$kind === 'GasCoin') return true
  return Object.values(command).some(usesGasCoin)
}
