import { type Block, type ProductLog, recordEnds } from '../../interface/index.ts'
import type { SessionTerms } from './account.ts'
import type { SellerEvent, SellerState } from './seller-state.ts'
import { asSdppError, SdppError, STATUS } from './status.ts'

export interface PumpSource {
  log: ProductLog
  terms: SessionTerms
  state: () => SellerState
  /** Whether the stream takes more now. */
  isWritable: () => boolean
  step: (event: SellerEvent) => void
  fail: (error: SdppError) => void
  signal: AbortSignal
}

/** Reads the log for a session: its machine is given blocks as long as it sends of them and the stream takes more. */
export class SellerPump {
  readonly #source: PumpSource
  #block: Block | undefined
  #running = false
  #again = false

  constructor(source: PumpSource) {
    this.#source = source
  }

  /** What the machine was given last. */
  get block(): Block {
    return this.#block as Block
  }

  /** Called whenever window, flow, transport or log have moved. */
  run(): void {
    if (this.#running) {
      this.#again = true
      return
    }
    this.#running = true
    this.#deliver()
      .catch((error: unknown) => this.#source.fail(asSdppError(error)))
      .finally(() => {
        this.#running = false
        if (!this.#again) return
        this.#again = false
        this.run()
      })
  }

  async #deliver(): Promise<void> {
    const { log, terms, state, isWritable, step, signal } = this.#source
    while (state().phase === 'streaming' && state().blocked === 'no') {
      if (!isWritable()) return
      const sent = state().sent.n
      const next = terms.start + sent
      if (terms.end !== undefined && next >= terms.end) return step({ type: 'ended' })
      if (next >= log.head) {
        // A session that is closing ends with what there is.
        if (log.finished || state().closing) step({ type: 'ended' })
        return
      }
      const block = this.#block
      if (block === undefined || next < block.first || next >= block.first + BigInt(block.count)) {
        this.#block = await log.read(next, { signal })
        if (this.#block === undefined) throw new SdppError(STATUS.offsetPruned, `offset ${next} is no longer kept`)
        continue
      }
      const { first, count, bytes } = block
      step({ type: 'block', records: { first, count, ends: recordEnds(bytes, count) } })
      if (state().sent.n === sent && state().blocked === 'no') return
    }
  }
}
