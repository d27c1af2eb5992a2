import { DdmError } from '../../src/interface/index.ts'
import { Deframer } from '../../src/protocols/sdpp/frame.ts'
import type { StreamRegistrar } from '../../src/protocols/sdpp/index.ts'
import { decodeMessage, type Message } from '../../src/protocols/sdpp/messages.ts'
import type { WireStream } from '../../src/protocols/sdpp/wire.ts'
import type { Process, World } from './world.ts'

export interface LinkFaults {
  /** A direction is cut after so many bytes; undefined: never. */
  cutAfter?: number
  /** Longest time until a side notices a cut. */
  unnoticed: number
  latency: number
  /** Whether what is sent may arrive in pieces. */
  chunks: boolean
}

/** Sees every message of a link: when it is sent, and when all of it has arrived. */
export interface Observer {
  sent: (link: Link, from: Process, message: Message) => void
  arrived: (link: Link, to: Process, message: Message) => void
}

type Listener = (event: never) => void

/** One end of a stream, as SDPP sees libp2p's. */
export class End {
  readonly process: Process
  readonly link: Link
  status: 'open' | 'closed' = 'open'
  writeClosed = false
  readonly #listeners = new Map<string, Set<Listener>>()

  constructor(process: Process, link: Link) {
    this.process = process
    this.link = link
    process.onKill(() => link.died(this))
  }

  addEventListener(type: string, listener: Listener): void {
    const all = this.#listeners.get(type) ?? new Set()
    all.add(listener)
    this.#listeners.set(type, all)
  }

  removeEventListener(type: string, listener: Listener): void {
    this.#listeners.get(type)?.delete(listener)
  }

  emit(type: string, event: object): void {
    if (!this.process.alive) return
    this.process.world.current = this.process
    for (const listener of [...(this.#listeners.get(type) ?? [])]) listener(event as never)
  }

  send(data: Uint8Array | { subarray: () => Uint8Array }): boolean {
    if (!this.process.alive) return true
    if (this.status !== 'open' || this.writeClosed) throw new Error('the stream is closed')
    this.link.send(this, Uint8Array.from(data instanceof Uint8Array ? data : data.subarray()))
    return true
  }

  async close(): Promise<void> {
    if (!this.process.alive || this.writeClosed || this.status !== 'open') return
    this.writeClosed = true
    this.link.closeWrite(this)
  }

  abort(error: Error): void {
    if (!this.process.alive || this.status !== 'open') return
    this.link.reset(this, error)
  }

  ended(error?: Error): void {
    if (this.status !== 'open') return
    this.status = 'closed'
    this.emit('close', error === undefined ? {} : { error })
  }

  pause(): void {}
  resume(): void {}
}

/** Two ends, with delays; bytes arrive in order, in any pieces, until the link is cut. */
export class Link {
  readonly a: End
  readonly b: End
  readonly #world: World
  readonly #faults: LinkFaults
  readonly #observer: Observer
  readonly #sent = { a: 0, b: 0 }
  readonly #arrivesAt = { a: 0, b: 0 }
  readonly #deframers: { a: Deframer; b: Deframer }
  readonly #onTheWay: { a: Array<{ end: number; message: Message }>; b: Array<{ end: number; message: Message }> }
  #framed = { a: 0, b: 0 }
  #cut = false

  constructor(world: World, dialer: Process, listener: Process, faults: LinkFaults, observer: Observer) {
    this.#world = world
    this.#faults = faults
    this.#observer = observer
    this.a = new End(dialer, this)
    this.b = new End(listener, this)
    this.#onTheWay = { a: [], b: [] }
    const watch = (side: 'a' | 'b') =>
      new Deframer((kind, body) => {
        this.#framed[side] += 5 + body.length
        if (kind >= 0x80) return
        const message = decodeMessage(kind, body.slice())
        const from = side === 'a' ? this.a : this.b
        this.#onTheWay[side].push({ end: this.#framed[side], message })
        this.#observer.sent(this, from.process, message)
      })
    this.#deframers = { a: watch('a'), b: watch('b') }
  }

  get stream(): WireStream {
    return this.a as unknown as WireStream
  }

  get inbound(): WireStream {
    return this.b as unknown as WireStream
  }

  #sides(end: End): { side: 'a' | 'b'; other: End } {
    return end === this.a ? { side: 'a', other: this.b } : { side: 'b', other: this.a }
  }

  send(from: End, bytes: Uint8Array): void {
    const { side } = this.#sides(from)
    try {
      this.#deframers[side].push(bytes)
    } catch {
      // An adversary's garbage: the other side judges it.
    }
    if (this.#cut) return
    let at = 0
    while (at < bytes.length) {
      const { random } = this.#world
      const length = this.#faults.chunks && random.chance(0.3) ? random.int(1, bytes.length - at) : bytes.length - at
      this.#carry(from, bytes.subarray(at, at + length))
      at += length
    }
  }

  #carry(from: End, bytes: Uint8Array): void {
    const { side, other } = this.#sides(from)
    const { cutAfter } = this.#faults
    const before = this.#sent[side]
    this.#sent[side] += bytes.length
    if (cutAfter !== undefined && before >= cutAfter) return
    const cuts = cutAfter !== undefined && this.#sent[side] > cutAfter
    const part = cuts ? bytes.subarray(0, cutAfter - before) : bytes
    const arrived = before + part.length
    this.#later(side, () => {
      if (this.#cut || other.status !== 'open') return
      if (part.length > 0) other.emit('message', { data: part })
      const waiting = this.#onTheWay[side]
      while (waiting[0] !== undefined && waiting[0].end <= arrived) {
        const { message } = waiting.shift() as { message: Message }
        if (other.process.alive) this.#observer.arrived(this, other.process, message)
      }
      if (cuts) this.cut()
    })
  }

  /** After everything that was sent before in this direction. */
  #later(side: 'a' | 'b', run: () => void): void {
    const { random } = this.#world
    const at = Math.max(this.#world.now + random.int(0, this.#faults.latency), this.#arrivesAt[side])
    this.#arrivesAt[side] = at
    this.#world.after(at - this.#world.now, run)
  }

  /** Nothing arrives any more; each side notices when it notices. */
  cut(): void {
    if (this.#cut) return
    this.#cut = true
    this.#world.fault('cut')
    const { random } = this.#world
    for (const end of [this.a, this.b]) {
      const unnoticed = random.chance(0.3) ? this.#faults.unnoticed : 20
      if (unnoticed > 5_000) this.#world.fault('halfOpen')
      this.#world.after(random.int(0, unnoticed), () => end.ended(new Error('connection reset')))
    }
  }

  closeWrite(end: End): void {
    const { side, other } = this.#sides(end)
    this.#later(side, () => {
      if (this.#cut || other.status !== 'open') return
      other.emit('remoteCloseWrite', {})
      if (!other.writeClosed) return
      end.ended()
      other.ended()
    })
  }

  reset(end: End, error: Error): void {
    const { side, other } = this.#sides(end)
    end.ended(error)
    this.#later(side, () => other.ended(new Error('stream reset')))
  }

  died(end: End): void {
    const { other } = this.#sides(end)
    const { random } = this.#world
    const noticed = random.chance(0.8) ? random.int(0, 50) : this.#faults.unnoticed
    this.#world.after(noticed, () => other.ended(new Error('connection lost')))
  }
}

type Handler = (stream: never, connection: never) => void

/** Who can be dialled by which peer ID. */
export class Network {
  readonly #world: World
  readonly #handlers = new Map<string, { process: Process; handler: Handler }>()
  /** Faults of the next link. */
  faults: () => LinkFaults
  readonly #observer: Observer
  readonly links: Link[] = []

  constructor(world: World, observer: Observer, faults: () => LinkFaults) {
    this.#world = world
    this.#observer = observer
    this.faults = faults
  }

  registrar(process: Process, peerId: string): StreamRegistrar {
    return {
      handle: async (_protocol, handler) => {
        this.#handlers.set(peerId, { process, handler: handler as unknown as Handler })
      },
      unhandle: async () => {
        this.#handlers.delete(peerId)
      }
    }
  }

  /** Rejects with `unreachable` when nobody is there. */
  async dial(from: Process, as: string, to: string): Promise<WireStream> {
    await from.sleep(this.#world.random.int(1, 40))
    const found = this.#handlers.get(to)
    if (found === undefined || !found.process.alive) throw new DdmError('unreachable', `${to} cannot be reached`)
    const link = new Link(this.#world, from, found.process, this.faults(), this.#observer)
    this.links.push(link)
    found.handler(link.inbound as never, { remotePeer: { toString: () => as } } as never)
    return link.stream
  }
}
