import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Random } from '../simulation/random.ts'

/** A purchase is about as much on the wire; a handshake a tenth of it. */
const CUT_WITHIN_BYTES = 40_000

/** A TCP relay in front of a process that comes and goes; it cuts some connections in the middle of what they carry. */
export class CuttingProxy {
  readonly #server: Server
  readonly #random: Random
  readonly #sockets = new Set<Socket>()
  /** Port of whom it relays to. */
  readonly target: number
  /** How likely a new connection is one that will be cut. */
  cutting = 0
  cuts = 0

  private constructor(random: Random, target: number) {
    this.#random = random
    this.target = target
    this.#server = createServer((client) => this.#relay(client))
  }

  static async start(random: Random, target: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(random, target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  #relay(client: Socket): void {
    const upstream = connect(this.target, '127.0.0.1')
    const pair = [client, upstream] as const
    let left = this.#random.chance(this.cutting) ? this.#random.int(1, CUT_WITHIN_BYTES) : Number.POSITIVE_INFINITY
    const end = (): void => {
      for (const socket of pair) socket.destroy()
    }
    for (const [from, to] of [pair, [upstream, client] as const]) {
      this.#sockets.add(from)
      from.setNoDelay(true)
      from.on('data', (bytes) => {
        if (left <= 0) return
        // What goes before the cut arrives, were it half a frame.
        to.write(bytes.subarray(0, Math.min(left, bytes.length)))
        left -= bytes.length
        if (left > 0) return
        this.cuts++
        to.end(end)
        from.destroy()
      })
      from.on('error', end)
      from.on('close', () => {
        this.#sockets.delete(from)
        to.end()
      })
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
