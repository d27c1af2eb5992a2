import type { BadRecord, RecordValidator } from '../../interface/index.ts'
import type { DataFrame } from './data-frame.ts'
import type { Message } from './messages.ts'

/** What waits in memory while records are judged: an honest seller has no more on its way (Flow). */
const MAX_WAITING = 1_024
const MAX_WAITING_BYTES = 1024 * 1024

export interface CheckedInboxHandlers {
  /** A message in its turn; `bad` is the first record of a DATA frame that breaks the schema. */
  take: (message: Message, bad: BadRecord | undefined) => void
  fail: (error: unknown) => void
  /** Too much waits: nothing more is to be read until `resume`. */
  pause: () => void
  resume: () => void
}

type Waiting = { message: Message } | { end: () => void }

/**
 * Messages in the order in which they came, DATA only after its records were judged: what follows them, such as an invoice
 * for them, waits. Frames that came meanwhile are judged together. After the first bad record nothing more is judged.
 */
export class CheckedInbox {
  readonly #validator: Pick<RecordValidator, 'check'>
  readonly #handlers: CheckedInboxHandlers
  readonly #stop = new AbortController()
  #waiting: Waiting[] = []
  #bytes = 0
  #running = false
  #paused = false
  #violated = false

  constructor(validator: Pick<RecordValidator, 'check'>, handlers: CheckedInboxHandlers) {
    this.#validator = validator
    this.#handlers = handlers
  }

  push(message: Message): void {
    if (message.name === 'DATA') this.#bytes += message.data.bytes.length
    this.#add({ message })
  }

  /** The stream is over: `end` is called in its turn. */
  end(end: () => void): void {
    if (this.#stop.signal.aborted) end()
    else this.#add({ end })
  }

  /** Drops what waits. */
  close(): void {
    this.#stop.abort()
    this.#waiting = []
  }

  #add(item: Waiting): void {
    if (this.#stop.signal.aborted) return
    this.#waiting.push(item)
    if (!this.#running) void this.#run()
    else if (!this.#paused && (this.#waiting.length > MAX_WAITING || this.#bytes > MAX_WAITING_BYTES)) {
      this.#paused = true
      this.#handlers.pause()
    }
  }

  /** Without a DATA frame it ends before it returns. */
  async #run(): Promise<void> {
    this.#running = true
    try {
      for (let item = this.#waiting[0]; item !== undefined; item = this.#waiting[0]) {
        if ('end' in item) {
          this.#waiting.shift()
          item.end()
        } else if (item.message.name === 'DATA') await this.#judge()
        else {
          this.#waiting.shift()
          this.#handlers.take(item.message, undefined)
        }
      }
    } catch (error) {
      const stopped = this.#stop.signal.aborted
      this.close()
      if (!stopped) this.#handlers.fail(error)
    } finally {
      this.#running = false
    }
    if (this.#paused) {
      this.#paused = false
      this.#handlers.resume()
    }
  }

  /** The DATA frames that wait next to each other, in one question. */
  async #judge(): Promise<void> {
    const frames: Array<Extract<Message, { name: 'DATA' }>> = []
    for (const item of this.#waiting) {
      if (!('message' in item) || item.message.name !== 'DATA') break
      frames.push(item.message)
    }
    const found = this.#violated ? undefined : await this.#check(frames.map(({ data }) => data))
    // Dropped meanwhile.
    if (this.#stop.signal.aborted) return
    let before = 0
    for (const frame of frames) {
      this.#waiting.shift()
      const { count, bytes } = frame.data
      this.#bytes -= bytes.length
      const index = found === undefined ? -1 : found.index - before
      const bad = found !== undefined && index >= 0 && index < count ? { ...found, index } : undefined
      before += count
      this.#handlers.take(frame, bad)
      if (this.#stop.signal.aborted) return
    }
  }

  async #check(frames: DataFrame[]): Promise<BadRecord | undefined> {
    const count = frames.reduce((sum, frame) => sum + frame.count, 0)
    const [first] = frames
    const bytes = frames.length === 1 && first !== undefined ? first.bytes : Buffer.concat(frames.map((f) => f.bytes))
    const bad = await this.#validator.check(bytes, count, { signal: this.#stop.signal })
    this.#violated = bad !== undefined
    return bad
  }
}
