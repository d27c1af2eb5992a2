import { type Blake, COIN_DEPOSIT, type LedgerCoin } from './coin.ts'
import { type Failure, ProgramFailed } from './failure.ts'
import { type HeldCoin, Program } from './program.ts'
import type { CheckedTransaction } from './transaction.ts'

/** Computation is charged in steps of so many units; a transaction of coins alone stays within the first. */
const COMPUTATION_UNITS = 1_000n

/** Nanos. */
export interface GasUsed {
  computationCost: bigint
  storageCost: bigint
  storageRebate: bigint
}

export interface Outcome {
  failure: Failure | undefined
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

/**
 * What a transaction does, with the coins that it names. Pure. A program that fails moves nothing and costs its gas all the same.
 *
 * @source iota-execution `gas_charger.rs`, iota-types `gas_model/gas_v1.rs`
 */
export function execute(blake: Blake, transaction: CheckedTransaction): Outcome {
  const { digest, gasPrice, gasBudget, payment, version } = transaction
  const before = coinsOf(transaction)
  let coins = smashed(transaction, before)
  let { created, failure } = runProgram(blake, transaction, coins)
  let computationCost = COMPUTATION_UNITS * gasPrice
  if (gasBudget <= computationCost) {
    computationCost = gasBudget
    failure ??= { status: { InsufficientGas: true }, command: undefined }
  }
  if (failure !== undefined) {
    coins = smashed(transaction, before)
    created = []
  }
  let gas = gasOf(before, coins, created.length, computationCost)
  let deposit: bigint | undefined = COIN_DEPOSIT
  if (exceeds(gas, gasBudget)) {
    failure ??= { status: { InsufficientGas: true }, command: undefined }
    coins = smashed(transaction, before)
    created = []
    gas = gasOf(before, coins, 0, computationCost)
    if (exceeds(gas, gasBudget)) {
      // Not even what goes in can be stored anew: the whole budget is charged, and deposits stay as they are.
      deposit = undefined
      const gone = before.filter(({ id }) => coins.get(id)?.live === false)
      gas = { computationCost: gasBudget, storageCost: 0n, storageRebate: sumOf(gone, ({ rebate }) => rebate) }
    }
  }
  const paying = coins.get(payment[0]?.id ?? '') as HeldCoin
  paying.balance -= gas.computationCost + gas.storageCost - gas.storageRebate
  const settled = ({ id, owner, balance }: HeldCoin, rebate: bigint): LedgerCoin => {
    return { id, owner: owner ?? '', balance, version, previous: digest, rebate }
  }
  const isLive = ({ id }: LedgerCoin): boolean => coins.get(id)?.live === true
  const mutated = before.filter(isLive).map(({ id, rebate }) => settled(coins.get(id) as HeldCoin, deposit ?? rebate))
  return {
    failure,
    gas,
    before,
    mutated,
    created: created.map((coin) => settled(coin, COIN_DEPOSIT)),
    deleted: before.filter((coin) => !isLive(coin)).map(({ id }) => id),
    gasCoin: mutated.find(({ id }) => id === paying.id) as LedgerCoin,
    version
  }
}

/** All coins that go into a transaction. */
export function coinsOf({ payment, inputs }: Pick<CheckedTransaction, 'payment' | 'inputs'>): LedgerCoin[] {
  return [...payment, ...inputs.flatMap((input) => ('coin' in input ? input.coin : []))]
}

/** Copies of the coins; those that pay the gas are one from the start. */
function smashed({ payment }: CheckedTransaction, before: readonly LedgerCoin[]): Map<string, HeldCoin> {
  const coins = new Map(before.map(({ id, owner, balance }) => [id, { id, owner, balance, live: true } as HeldCoin]))
  const [first, ...others] = payment.map(({ id }) => coins.get(id) as HeldCoin)
  for (const other of others) {
    if (first !== undefined) first.balance += other.balance
    other.live = false
  }
  return coins
}

function runProgram(blake: Blake, transaction: CheckedTransaction, coins: ReadonlyMap<string, HeldCoin>) {
  const { commands, gasBudget, payment } = transaction
  const paying = coins.get(payment[0]?.id ?? '') as HeldCoin
  const program = new Program(blake, transaction, coins)
  let at: number | undefined
  try {
    // What is set aside for gas cannot be spent.
    paying.balance -= gasBudget
    for (const [index, command] of commands.entries()) {
      at = index
      program.run(command)
    }
    at = undefined
    const created = program.finish()
    paying.balance += gasBudget
    return { created, failure: undefined }
  } catch (error) {
    if (!(error instanceof ProgramFailed)) throw error
    return { created: [], failure: { status: error.status, command: at } as Failure }
  }
}

function gasOf(
  before: readonly LedgerCoin[],
  coins: ReadonlyMap<string, HeldCoin>,
  created: number,
  computationCost: bigint
): GasUsed {
  const kept = [...coins.values()].filter(({ live }) => live).length
  return {
    computationCost,
    storageCost: BigInt(kept + created) * COIN_DEPOSIT,
    storageRebate: sumOf(before, ({ rebate }) => rebate)
  }
}

function exceeds({ computationCost, storageCost, storageRebate }: GasUsed, budget: bigint): boolean {
  return storageCost > storageRebate && computationCost + storageCost - storageRebate > budget
}

function sumOf<T>(items: readonly T[], of: (item: T) => bigint): bigint {
  return items.reduce((sum, item) => sum + of(item), 0n)
}
