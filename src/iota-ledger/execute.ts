import { bcs } from '@iota/iota-sdk/bcs'
import { type Blake, COIN_DEPOSIT, createdId, type LedgerCoin, normal } from './coin.ts'
import type { CheckedTransaction } from './transaction.ts'

/** Computation is charged in steps; a transaction of coins alone stays within the first. */
const COMPUTATION_UNITS = 1_000n

export interface GasUsed {
  computationCost: bigint
  storageCost: bigint
  storageRebate: bigint
}

export interface Outcome {
  failure: string | undefined
  gas: GasUsed
  before: LedgerCoin[]
  /** Coins at their new version: those that were changed, and those that are new. */
  mutated: LedgerCoin[]
  created: LedgerCoin[]
  /** IDs of coins that are gone. */
  deleted: string[]
  gasCoin: LedgerCoin
  version: bigint
}

interface Working extends LedgerCoin {
  live: boolean
}

interface Fresh {
  id: string
  balance: bigint
  owner: string | undefined
  live: boolean
}

type Value = { coin: Working | Fresh } | { pure: Uint8Array } | { dropped: true }
interface Argument {
  $kind: string
}

/** What a transaction does goes wrong: it is carried out all the same, costs its gas and moves nothing. */
class Failure extends Error {}

/** Runs the commands on copies of the coins. Pure. */
export function execute(blake: Blake, transaction: CheckedTransaction): Outcome {
  const { digest, gasPrice, gasBudget, payment, inputs, version } = transaction
  const before = [...payment, ...inputs.flatMap((input) => ('coin' in input ? input.coin : []))]
  let run = new Run(transaction, before)
  let created: Fresh[] = []
  let failure: string | undefined
  try {
    run.gasCoin.balance -= gasBudget
    created = run.commands(blake)
    run.gasCoin.balance += gasBudget
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    failure = error.message
    run = new Run(transaction, before)
    created = []
  }
  let gas = gasOf(before, run.kept.length + created.length, gasPrice)
  const net = (used: GasUsed): bigint => used.computationCost + used.storageCost - used.storageRebate
  if (failure === undefined && (net(gas) > gasBudget || run.gasCoin.balance < net(gas))) {
    failure = 'InsufficientGas'
    run = new Run(transaction, before)
    created = []
    gas = gasOf(before, run.kept.length, gasPrice)
  }
  run.gasCoin.balance -= net(gas)
  const settled = { version, previous: digest, rebate: COIN_DEPOSIT }
  const mutated = run.kept.map(({ id, owner, balance }): LedgerCoin => ({ id, owner, balance, ...settled }))
  return {
    failure,
    gas,
    before,
    mutated,
    created: created.map(({ id, owner, balance }) => ({ id, owner: owner as string, balance, ...settled })),
    deleted: run.gone,
    gasCoin: mutated.find(({ id }) => id === payment[0]?.id) as LedgerCoin,
    version
  }
}

function gasOf(before: LedgerCoin[], coins: number, gasPrice: bigint): GasUsed {
  return {
    computationCost: COMPUTATION_UNITS * gasPrice,
    storageCost: BigInt(coins) * COIN_DEPOSIT,
    storageRebate: before.reduce((sum, { rebate }) => sum + rebate, 0n)
  }
}

/** The coins while a transaction runs; its gas coins are one from the start. */
class Run {
  readonly #coins: Map<string, Working>
  readonly #transaction: CheckedTransaction
  readonly gasCoin: Working
  readonly #results: Value[][] = []
  readonly #made: Fresh[] = []

  constructor(transaction: CheckedTransaction, before: LedgerCoin[]) {
    this.#transaction = transaction
    this.#coins = new Map(before.map((coin) => [coin.id, { ...coin, live: true }]))
    const [first, ...others] = transaction.payment.map(({ id }) => this.#coins.get(id) as Working)
    this.gasCoin = first as Working
    for (const other of others) {
      this.gasCoin.balance += other.balance
      other.live = false
    }
  }

  get kept(): Working[] {
    return [...this.#coins.values()].filter(({ live }) => live)
  }

  get gone(): string[] {
    return [...this.#coins.values()].filter(({ live }) => !live).map(({ id }) => id)
  }

  commands(blake: Blake): Fresh[] {
    for (const [index, command] of this.#transaction.commands.entries()) {
      try {
        this.#results.push(this.#run(blake, command))
      } catch (error) {
        if (error instanceof Failure) throw new Failure(`${error.message} in command ${index}`)
        throw error
      }
    }
    const made = this.#made.filter(({ live }) => live)
    if (made.some(({ owner }) => owner === undefined)) {
      throw new Failure('UnusedValueWithoutDrop { result_idx: 0, secondary_idx: 0 }')
    }
    return made
  }

  #run(blake: Blake, command: CheckedTransaction['commands'][number]): Value[] {
    switch (command.$kind) {
      case 'SplitCoins': {
        const source = this.#coin(command.SplitCoins.coin)
        return command.SplitCoins.amounts.map((argument) => {
          const amount = BigInt(bcs.u64().parse(this.#pure(argument)))
          if (source.balance < amount) throw new Failure('InsufficientCoinBalance')
          source.balance -= amount
          const id = createdId(blake, this.#transaction.digest, BigInt(this.#made.length))
          const coin: Fresh = { id, balance: amount, owner: undefined, live: true }
          this.#made.push(coin)
          return { coin }
        })
      }
      case 'MergeCoins': {
        const destination = this.#coin(command.MergeCoins.destination)
        for (const argument of command.MergeCoins.sources) {
          const source = this.#coin(argument)
          if (source === this.gasCoin || source === destination) {
            throw new Failure('CommandArgumentError { arg_idx: 0, kind: InvalidGasCoinUsage }')
          }
          destination.balance += source.balance
          source.balance = 0n
          source.live = false
        }
        return []
      }
      case 'TransferObjects': {
        const to = normal(bcs.Address.parse(this.#pure(command.TransferObjects.address)))
        for (const argument of command.TransferObjects.objects) this.#coin(argument).owner = to
        return []
      }
      case 'MakeMoveVec': {
        // A vector of plain values may be dropped: its bytes stay in the transaction.
        for (const argument of command.MakeMoveVec.elements) this.#pure(argument)
        return [{ dropped: true }]
      }
      default:
        throw new Failure(`${command.$kind} is no coin command`)
    }
  }

  #value(argument: Argument): Value {
    const { Input, Result, NestedResult } = argument as Argument & Record<string, unknown>
    if (argument.$kind === 'GasCoin') return { coin: this.gasCoin }
    if (argument.$kind === 'Input') {
      const input = this.#transaction.inputs[Number(Input)]
      if (input === undefined) throw new Failure('CommandArgumentError { arg_idx: 0, kind: IndexOutOfBounds }')
      return 'pure' in input ? input : { coin: this.#coins.get(input.coin.id) as Working }
    }
    const [command, result] = argument.$kind === 'Result' ? [Number(Result), 0] : (NestedResult as [number, number])
    const value = this.#results[command]?.[result]
    if (value === undefined) throw new Failure('CommandArgumentError { arg_idx: 0, kind: SecondaryIndexOutOfBounds }')
    return value
  }

  #coin(argument: Argument): Working | Fresh {
    const value = this.#value(argument)
    if (!('coin' in value)) throw new Failure('CommandArgumentError { arg_idx: 0, kind: TypeMismatch }')
    if (!value.coin.live) throw new Failure('CommandArgumentError { arg_idx: 0, kind: InvalidValueUsage }')
    return value.coin
  }

  #pure(argument: Argument): Uint8Array {
    const value = this.#value(argument)
    if (!('pure' in value)) throw new Failure('CommandArgumentError { arg_idx: 0, kind: TypeMismatch }')
    return value.pure
  }
}
