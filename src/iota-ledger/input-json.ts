import { fromBase64 } from '@iota/bcs'
import { addressOf, u64Of } from './pure.ts'
import type { CheckedTransaction, Command, Program } from './transaction.ts'

interface Argument {
  $kind: string
}

/** A transaction as `showInput` tells it. */
export function inputJson({ data, sender, commands }: CheckedTransaction, txSignatures: readonly string[]) {
  const { payment, owner, price, budget } = data.gasData
  return {
    data: {
      messageVersion: 'v1',
      transaction: programJson(data.kind.ProgrammableTransaction?.inputs ?? [], commands),
      sender,
      gasData: {
        payment: payment.map(({ objectId, version, digest }) => ({ objectId, version: Number(version), digest })),
        owner,
        price,
        budget
      }
    },
    txSignatures
  }
}

function programJson(inputs: Program['inputs'], commands: readonly Command[]) {
  const [amounts, addresses] = plainInputs(commands)
  return {
    kind: 'ProgrammableTransaction',
    inputs: inputs.map((input, index) => {
      if (input.Pure === undefined || input.Pure === null) {
        return { type: 'object', objectType: 'immOrOwnedObject', ...input.Object?.ImmOrOwnedObject }
      }
      return { type: 'pure', ...plainJson(fromBase64(input.Pure.bytes), amounts.has(index), addresses.has(index)) }
    }),
    transactions: commands.map(commandJson)
  }
}

/** Nodes know the types of amounts and addresses from the commands that use them; of other values they tell the bytes. */
function plainJson(bytes: Uint8Array, isAmount: boolean, isAddress: boolean) {
  const amount = isAmount ? u64Of(bytes) : undefined
  if (amount !== undefined) return { valueType: 'u64', value: `${amount}` }
  const address = isAddress ? addressOf(bytes) : undefined
  if (address !== undefined) return { valueType: 'address', value: address }
  return { valueType: null, value: [...bytes] }
}

function plainInputs(commands: readonly Command[]): [amounts: Set<unknown>, addresses: Set<unknown>] {
  const amounts = commands.flatMap(({ SplitCoins }) => SplitCoins?.amounts.map(({ Input }) => Input) ?? [])
  const addresses = commands.flatMap(({ TransferObjects }) => TransferObjects?.address.Input ?? [])
  return [new Set(amounts), new Set(addresses)]
}

function commandJson(command: Command) {
  switch (command.$kind) {
    case 'SplitCoins': {
      const { coin, amounts } = command.SplitCoins
      return { SplitCoins: [argumentJson(coin), amounts.map(argumentJson)] }
    }
    case 'MergeCoins': {
      const { destination, sources } = command.MergeCoins
      return { MergeCoins: [argumentJson(destination), sources.map(argumentJson)] }
    }
    case 'TransferObjects': {
      const { objects, address } = command.TransferObjects
      return { TransferObjects: [objects.map(argumentJson), argumentJson(address)] }
    }
    case 'MakeMoveVec': {
      const { type, elements } = command.MakeMoveVec
      return { MakeMoveVec: [type ?? null, elements.map(argumentJson)] }
    }
    default:
      return command
  }
}

function argumentJson(argument: Argument) {
  if (argument.$kind === 'GasCoin') return 'GasCoin'
  const { $kind: _kind, ...position } = argument
  return position
}
