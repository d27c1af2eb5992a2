import { type Blake, createdId, normal } from './coin.ts'
import { type ArgumentFault, argumentFailed, ProgramFailed } from './failure.ts'
import { addressOf, isValueOf, shapeOf, u64Of } from './pure.ts'
import type { CheckedTransaction, Command } from './transaction.ts'

const COIN = /^0x0*2::coin::Coin<0x0*2::iota::IOTA>$/

/** A coin while a transaction runs. */
export interface HeldCoin {
  id: string
  /** A new coin belongs to nobody until it is transferred. */
  owner: string | undefined
  balance: bigint
  /** Not merged into another. */
  live: boolean
}

type Value = { coin: HeldCoin } | { bytes: Uint8Array } | { vector: 'may be dropped' | 'must be used' }

/** Where an argument points to; empty once its value was taken. */
interface Slot {
  value: Value | undefined
}

interface Argument {
  $kind: string
  Input?: number
  Result?: number
  NestedResult?: [number, number]
}

/** A command's argument, with its position in the command as failures name it. */
type Indexed = readonly [argument: Argument, index: number]

/**
 * The commands of one transaction, on coins that are theirs to change. Values are used up as in Move: what was transferred or
 * merged cannot be used again.
 *
 * @source iota-execution `programmable_transactions/execution.rs`, `context.rs`
 */
export class Program {
  readonly #blake: Blake
  readonly #digest: string
  readonly #gas: Slot
  readonly #inputs: Slot[]
  readonly #results: Slot[][] = []
  readonly #made: HeldCoin[] = []

  constructor(blake: Blake, { digest, inputs, payment }: CheckedTransaction, coins: ReadonlyMap<string, HeldCoin>) {
    this.#blake = blake
    this.#digest = digest
    const held = (id: string): Slot => ({ value: { coin: coins.get(id) as HeldCoin } })
    this.#gas = held(payment[0]?.id ?? '')
    this.#inputs = inputs.map((input) => ('pure' in input ? { value: { bytes: input.pure } } : held(input.coin.id)))
  }

  /** @throws ProgramFailed */
  run(command: Command): void {
    this.#results.push(this.#resultsOf(command).map((value) => ({ value })))
  }

  /**
   * The new coins. Nobody may be left with a value that cannot be dropped.
   *
   * @throws ProgramFailed
   */
  finish(): HeldCoin[] {
    for (const [resultIdx, slots] of this.#results.entries()) {
      for (const [secondaryIdx, { value }] of slots.entries()) {
        if (value === undefined || ('vector' in value && value.vector === 'may be dropped')) continue
        throw new ProgramFailed({ UnusedValueWithoutDrop: { resultIdx, secondaryIdx } })
      }
    }
    return this.#made.filter(({ live }) => live)
  }

  #resultsOf(command: Command): Value[] {
    switch (command.$kind) {
      case 'SplitCoins':
        return this.#split(command.SplitCoins.coin, command.SplitCoins.amounts)
      case 'MergeCoins':
        return this.#merge(command.MergeCoins.destination, command.MergeCoins.sources)
      case 'TransferObjects':
        return this.#transfer(command.TransferObjects.objects, command.TransferObjects.address)
      case 'MakeMoveVec':
        return this.#vector(command.MakeMoveVec.type ?? undefined, command.MakeMoveVec.elements)
      default:
        throw new Error(`${command.$kind} is no coin command`)
    }
  }

  #split(coin: Argument, amounts: readonly Argument[]): Value[] {
    const [slot, source] = this.#borrow([coin, 0])
    const parts = amounts.map((argument) => {
      const amount = this.#plain([argument, 1], u64Of)
      const id = createdId(this.#blake, this.#digest, BigInt(this.#made.length))
      if (source.balance < amount) throw new ProgramFailed({ InsufficientCoinBalance: true })
      source.balance -= amount
      const part: HeldCoin = { id, owner: undefined, balance: amount, live: true }
      this.#made.push(part)
      return { coin: part }
    })
    slot.value = { coin: source }
    return parts
  }

  #merge(destination: Argument, sources: readonly Argument[]): Value[] {
    const [slot, target] = this.#borrow([destination, 0])
    const coins = sources.map((argument, index) => this.#take([argument, index + 1], 'MergeCoins'))
    for (const coin of coins) {
      target.balance += coin.balance
      coin.balance = 0n
      coin.live = false
    }
    slot.value = { coin: target }
    return []
  }

  #transfer(objects: readonly Argument[], address: Argument): Value[] {
    const coins = objects.map((argument, index) => this.#take([argument, index], 'TransferObjects'))
    const owner = normal(this.#plain([address, objects.length], addressOf))
    for (const coin of coins) coin.owner = owner
    return []
  }

  /** A vector of plain values may be dropped, and its bytes stay in the transaction: a memo. */
  #vector(type: string | undefined, elements: readonly Argument[]): Value[] {
    const shape = type === undefined ? undefined : shapeOf(type)
    for (const [index, argument] of elements.entries()) {
      const value = this.#slot([argument, index]).value
      if (value !== undefined && 'bytes' in value) {
        if (type === undefined) throw argumentFailed(index, { TypeMismatch: true })
        if (shape === undefined) throw argumentFailed(index, { InvalidUsageOfPureArg: true })
        if (!isValueOf(shape, value.bytes)) throw argumentFailed(index, { InvalidBCSBytes: true })
        continue
      }
      this.#take([argument, index], 'MakeMoveVec')
      if (type !== undefined && !COIN.test(type)) throw argumentFailed(index, { TypeMismatch: true })
    }
    return [{ vector: shape === undefined ? 'must be used' : 'may be dropped' }]
  }

  /** Takes a coin for as long as a command changes it: the command has to put it back. */
  #borrow([argument, index]: Indexed): [slot: Slot, coin: HeldCoin] {
    const slot = this.#slot([argument, index])
    const { value } = slot
    if (value === undefined) throw argumentFailed(index, { InvalidValueUsage: true })
    if (!('coin' in value)) throw argumentFailed(index, { TypeMismatch: true })
    slot.value = undefined
    return [slot, value.coin]
  }

  #take([argument, index]: Indexed, by: Command['$kind']): HeldCoin {
    const slot = this.#slot([argument, index])
    const { value } = slot
    if (value === undefined) throw argumentFailed(index, { InvalidValueUsage: true })
    if (argument.$kind === 'GasCoin' && by !== 'TransferObjects') {
      throw argumentFailed(index, { InvalidGasCoinUsage: true })
    }
    if (!('coin' in value)) throw argumentFailed(index, { TypeMismatch: true })
    slot.value = undefined
    return value.coin
  }

  #plain<T>([argument, index]: Indexed, read: (bytes: Uint8Array) => T | undefined): T {
    const { value } = this.#slot([argument, index])
    const fault: ArgumentFault | undefined =
      value === undefined ? { InvalidValueUsage: true } : 'bytes' in value ? undefined : { TypeMismatch: true }
    if (fault !== undefined) throw argumentFailed(index, fault)
    const found = read((value as { bytes: Uint8Array }).bytes)
    if (found === undefined) throw argumentFailed(index, { InvalidBCSBytes: true })
    return found
  }

  #slot([{ $kind, Input, Result, NestedResult }, index]: Indexed): Slot {
    if ($kind === 'GasCoin') return this.#gas
    if (Input !== undefined) {
      const slot = this.#inputs[Input]
      if (slot === undefined) throw argumentFailed(index, { IndexOutOfBounds: { idx: Input } })
      return slot
    }
    const [resultIdx, secondaryIdx] = NestedResult ?? [Result ?? 0, 0]
    const slots = this.#results[resultIdx]
    if (slots === undefined) throw argumentFailed(index, { IndexOutOfBounds: { idx: resultIdx } })
    if (NestedResult === undefined && slots.length !== 1) {
      throw argumentFailed(index, { InvalidResultArity: { resultIdx } })
    }
    const slot = slots[secondaryIdx]
    if (slot === undefined) throw argumentFailed(index, { SecondaryIndexOutOfBounds: { resultIdx, secondaryIdx } })
    return slot
  }
}
