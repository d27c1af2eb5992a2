import type { CID } from 'multiformats/cid'
import type { BadRecord, DdmError, SessionStore } from '../../interface/index.ts'
import { violationError } from './buyer-errors.ts'
import type { DataFrame } from './data-frame.ts'
import { OpenPart } from './open-part.ts'

/** The first record that breaks the listing's schema: kept with its proof, and told of. */
export class BuyerViolation {
  readonly #sessions: SessionStore
  readonly #fail: (error: unknown) => void
  readonly #part = new OpenPart()
  #kept: Promise<void> = Promise.resolve()

  constructor(sessions: SessionStore, fail: (error: unknown) => void) {
    this.#sessions = sessions
    this.#fail = fail
  }

  add(data: DataFrame, bad: BadRecord | undefined): void {
    this.#part.add(data, bad)
  }

  /** Stored at once, and again when more of its part has come. */
  keep(session: CID | undefined): void {
    const { violation } = this.#part
    const id = session?.toString()
    if (violation === undefined || id === undefined) return
    this.#kept = this.#kept.then(() => this.#sessions.keepViolation(id, 'buyer', violation))
    this.#kept.catch(this.#fail)
  }

  /** Settles when it is stored. */
  get kept(): Promise<void> {
    return this.#kept
  }

  /** @param records - those before it, and what is paid for them */
  error(account: { session: string; seller: string; records: bigint; paid: bigint }): DdmError | undefined {
    const { violation } = this.#part
    return violation === undefined ? undefined : violationError(violation, account)
  }
}
