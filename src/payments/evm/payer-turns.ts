import type { AbortOptions, Address } from '../../interface/index.ts'
import { Serial } from './serial.ts'

/** One relay of a payer at a time: the same tokens could back deposits into any number of channels, and only one succeeds. */
export class PayerTurns {
  readonly #turns = new Map<Address, Serial>()

  async run<T>(payer: Address, work: () => Promise<T>, options?: AbortOptions): Promise<T> {
    const turns = this.#turns.get(payer) ?? new Serial()
    this.#turns.set(payer, turns)
    try {
      return await turns.run(work, options)
    } finally {
      if (turns.idle && this.#turns.get(payer) === turns) this.#turns.delete(payer)
    }
  }
}
