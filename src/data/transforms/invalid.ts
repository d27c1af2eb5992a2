import type { DdmError } from '../../interface/index.ts'

/** What is done with a record that breaks the rules: `stop` ends with its error, `drop` leaves it out and counts it. */
export const ON_INVALID = ['stop', 'drop'] as const

export type OnInvalid = (typeof ON_INVALID)[number]

export interface InvalidOptions {
  /** @default 'stop' */
  onInvalid?: OnInvalid
  /** Called for each record that was left out with how many were so far. */
  onDrop?: (dropped: number, error: DdmError) => void
}

/** Throws, or counts. */
export type Refuse = (error: DdmError) => void

/** Counts what a product leaves out, over all of its transforms. */
export class InvalidRecords {
  readonly #options: InvalidOptions
  dropped = 0

  constructor(options: InvalidOptions = {}) {
    this.#options = options
  }

  readonly refuse: Refuse = (error) => {
    const { onInvalid = 'stop', onDrop } = this.#options
    if (onInvalid === 'stop') throw error
    this.dropped++
    onDrop?.(this.dropped, error)
  }
}
