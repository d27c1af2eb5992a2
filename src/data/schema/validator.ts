import { type AbortOptions, type BadRecord, DdmError, type RecordValidator } from '../../interface/index.ts'
import { abortedBy, throwIfAborted } from '../abort.ts'
import type { RecordRules } from './protocol.ts'
import { type Client, SchemaThread, ThreadFailure } from './thread.ts'

/** Nothing but the record's own session waits for it. A batch of 1 MiB takes some 20 ms. */
const DEFAULT_TIMEOUT_MS = 1_000

export interface RecordValidatorInit extends RecordRules {
  /**
   * Longest time that compiling, and checking one batch, may take in the validator's thread; after it the thread may
   * compute as long again, and wait for a busy machine for 30 s.
   *
   * @default 1000
   */
  timeoutMs?: number
}

const thread = new SchemaThread()

/**
 * Checks records by what a listing says of them: size, encoding and JSON Schema. The schema is a stranger's: it is read
 * with limits, compiled and run in a thread of its own, which is killed when it takes too long. Which schemas are taken
 * is said in docs/specs/sdpp.md, Evidence bundle.
 *
 * @example
 * ```ts
 * const validator = await createRecordValidator({ encoding: 'json', schema: { required: ['celsius'] } })
 * await validator.check(joinRecords([encode('{"celsius":20}'), encode('{}')]), 2)
 * // { index: 1, reason: "the record must have required property 'celsius'" }
 * await validator.close()
 * ```
 *
 * @throws DdmError `usage` when the schema is not taken
 */
export async function createRecordValidator(
  { timeoutMs = DEFAULT_TIMEOUT_MS, ...rules }: RecordValidatorInit,
  options: AbortOptions = {}
): Promise<RecordValidator> {
  throwIfAborted(options)
  try {
    return new ThreadedValidator(await thread.open(rules, timeoutMs))
  } catch (error) {
    if (!(error instanceof ThreadFailure)) throw error
    throw new DdmError('usage', `the JSON Schema of the records is not taken: ${error.message}`, { cause: error })
  }
}

class ThreadedValidator implements RecordValidator {
  readonly #client: Client
  #failed: DdmError | undefined
  #closed: Promise<void> | undefined

  constructor(client: Client) {
    this.#client = client
  }

  async check(bytes: Uint8Array, count: number, options?: AbortOptions): Promise<BadRecord | undefined> {
    const [first] = await this.#ask(bytes, count, false, options)
    return first
  }

  checkEach(bytes: Uint8Array, count: number, options?: AbortOptions): Promise<BadRecord[]> {
    return this.#ask(bytes, count, true, options)
  }

  async #ask(bytes: Uint8Array, count: number, each: boolean, options: AbortOptions = {}): Promise<BadRecord[]> {
    throwIfAborted(options)
    const { signal } = options
    if (this.#closed !== undefined) throw new DdmError('internal', 'the record validator is closed')
    if (this.#failed !== undefined) throw this.#failed
    if (count === 0) return []
    // A buffer of its own: it moves to the thread.
    const answer = thread.check(this.#client, { count, bytes: new Uint8Array(bytes), each }, signal)
    try {
      return await (signal === undefined ? answer : orAborted(answer, signal))
    } catch (error) {
      if (!(error instanceof ThreadFailure)) throw error
      const failure = new DdmError(
        'badRecord',
        `${count} records cannot be checked by the listing's schema: ${error.message}`,
        { cause: error, details: { records: count, timeoutMs: this.#client.timeoutMs } }
      )
      // Asking again would cost the others another thread.
      if (error.fatal) this.#failed = failure
      throw failure
    }
  }

  close(): Promise<void> {
    this.#closed ??= thread.close(this.#client)
    return this.#closed
  }
}

/** The check itself goes on: only the wait for it ends. */
function orAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortedBy(signal))
    signal.addEventListener('abort', onAbort, { once: true })
    void answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
