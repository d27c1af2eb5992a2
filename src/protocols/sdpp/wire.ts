import type { Connection, Stream } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import type { Logger } from '../../interface/index.ts'
import type { Clock } from './clock.ts'
import { PING_AFTER_MS, SILENCE_TIMEOUT_MS, STALL_TIMEOUT_MS } from './constants.ts'
import { Deframer, FIRST_IGNORABLE_KIND } from './frame.ts'
import { decodeMessage, encodePlain, type Message } from './messages.ts'
import { SdppError, STATUS } from './status.ts'

/** The part of a libp2p stream that a session uses; `streamPair()` of @libp2p/utils serves in tests. */
export type WireStream = Pick<
  Stream,
  'send' | 'close' | 'abort' | 'pause' | 'resume' | 'addEventListener' | 'removeEventListener' | 'status'
>
export type RemoteOf = Pick<Connection, 'remotePeer'>

export interface WireHandlers {
  onMessage: (message: Message) => void
  /** The transport takes more. */
  onDrain: () => void
  /** Once: the stream is over; `error` undefined after an orderly end. */
  onEnd: (error: SdppError | undefined) => void
}

/**
 * Frames over one libp2p stream. What one turn of the event loop sends leaves in one write, because a write costs more
 * than the bytes of a small frame. Reading is paced by `pause` and `resume`: helpers that read for you have no
 * back-pressure.
 */
export class Wire {
  readonly #stream: WireStream
  readonly #handlers: WireHandlers
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #deframer: Deframer
  #pending: Uint8Array[] = []
  /** Since when the transport takes no more. */
  #stalledAt: number | undefined
  #ended = false
  #lastSent: number
  #lastReceived: number
  #cancelTimer: (() => void) | undefined

  constructor(stream: WireStream, handlers: WireHandlers, clock: Clock, logger: Logger) {
    this.#stream = stream
    this.#handlers = handlers
    this.#clock = clock
    this.#logger = logger
    this.#lastSent = clock.now()
    this.#lastReceived = clock.now()
    this.#deframer = new Deframer((kind, body) => this.#onFrame(kind, body))
    stream.addEventListener('message', this.#onData)
    stream.addEventListener('drain', this.#onDrain)
    stream.addEventListener('remoteCloseWrite', this.#onRemoteClose)
    stream.addEventListener('close', this.#onClose)
    this.#watchSilence()
  }

  /** False while the transport's buffer is full: DATA waits, control frames may still be sent. */
  get writable(): boolean {
    return this.#stalledAt === undefined
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Sends one frame, given whole or in parts. */
  send(...parts: Uint8Array[]): void {
    if (this.#ended) return
    if (this.#pending.length === 0) queueMicrotask(() => this.#flush())
    this.#pending.push(...parts)
  }

  pause(): void {
    if (!this.#ended) this.#stream.pause()
  }

  resume(): void {
    if (!this.#ended) this.#stream.resume()
  }

  /** Orderly end: what was sent leaves first. */
  close(): void {
    if (this.#ended) return
    this.#flush()
    this.#end(undefined)
    this.#stream.close({ signal: AbortSignal.timeout(5_000) }).catch((error: Error) => {
      this.#logger.debug('stream did not close', { error: error.message })
      this.#stream.abort(error)
    })
  }

  /** Refusal: a status, then the end. Fault: a status if it still can be said, then an abort. */
  fail(error: SdppError): void {
    if (this.#ended) return
    if (error.side === 'local') {
      const { code, message, details } = error
      const content = { code: BigInt(code), text: message.slice(0, 1024), details }
      this.send(encodePlain('STATUS', content))
    }
    if (error.isRefusal || error.side === 'remote') {
      this.#flush()
      this.#end(error)
      this.#stream.close({ signal: AbortSignal.timeout(5_000) }).catch((cause: Error) => this.#stream.abort(cause))
      return
    }
    this.#flush()
    this.#end(error)
    // The status is given a moment to leave: an abort discards what is still buffered.
    this.#clock.after(50, () => this.#stream.abort(error))
  }

  #flush(): void {
    const frames = this.#pending
    if (frames.length === 0 || this.#ended) return
    this.#pending = []
    this.#lastSent = this.#clock.now()
    try {
      const all = frames.length === 1 ? (frames[0] as Uint8Array) : new Uint8ArrayList(...frames)
      if (!this.#stream.send(all)) this.#stalledAt ??= this.#clock.now()
    } catch (cause) {
      this.#end(
        new SdppError(STATUS.internal, 'the stream closed while sending', { side: 'remote', lost: true, cause })
      )
    }
  }

  #onFrame(kind: number, body: Uint8Array): void {
    if (this.#ended || kind >= FIRST_IGNORABLE_KIND) return
    const message = decodeMessage(kind, body)
    if (message.name !== 'PING') this.#handlers.onMessage(message)
  }

  readonly #onData = (event: { data: Uint8Array | Uint8ArrayList }): void => {
    this.#lastReceived = this.#clock.now()
    try {
      const { data } = event
      for (const chunk of data instanceof Uint8Array ? [data] : data) this.#deframer.push(chunk)
    } catch (error) {
      this.fail(error instanceof SdppError ? error : new SdppError(STATUS.internal, 'internal error', { cause: error }))
    }
  }

  readonly #onDrain = (): void => {
    this.#stalledAt = undefined
    this.#handlers.onDrain()
  }

  readonly #onRemoteClose = (): void => {
    if (this.#ended) return
    const text = this.#deframer.idle ? 'the other side closed the stream' : 'the stream ended inside a frame'
    this.#end(
      new SdppError(this.#deframer.idle ? STATUS.shuttingDown : STATUS.malformed, text, { side: 'remote', lost: true })
    )
    this.#stream.close().catch((error: Error) => this.#stream.abort(error))
  }

  readonly #onClose = (event: { error?: Error }): void => {
    const text = event.error?.message ?? 'the stream closed'
    this.#end(
      new SdppError(STATUS.shuttingDown, text.slice(0, 200), { side: 'remote', lost: true, cause: event.error })
    )
  }

  #end(error: SdppError | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#cancelTimer?.()
    // The 'close' listener stays: a reset that nobody listens to can end the process.
    this.#stream.removeEventListener('message', this.#onData)
    this.#stream.removeEventListener('drain', this.#onDrain)
    this.#handlers.onEnd(error)
  }

  #watchSilence(): void {
    const now = this.#clock.now()
    const silent = now - this.#lastReceived
    if (silent >= SILENCE_TIMEOUT_MS) {
      this.fail(new SdppError(STATUS.timeout, `nothing heard for ${Math.round(silent / 1000)} s`))
      return
    }
    if (this.#stalledAt !== undefined && now - this.#stalledAt >= STALL_TIMEOUT_MS) {
      this.fail(new SdppError(STATUS.timeout, `nothing was read for ${Math.round((now - this.#stalledAt) / 1000)} s`))
      return
    }
    if (now - this.#lastSent >= PING_AFTER_MS) this.send(encodePlain('PING', {}))
    const next = Math.min(this.#lastReceived + SILENCE_TIMEOUT_MS, this.#lastSent + PING_AFTER_MS) - now
    this.#cancelTimer = this.#clock.after(Math.max(next, 100), () => this.#watchSilence())
  }
}
