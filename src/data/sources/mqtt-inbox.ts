import type { IPublishPacket, MqttClient } from 'mqtt'

/** What may wait in memory for a slow reader: beyond it nothing is read from the network. */
const MAX_MESSAGES = 1_024
const MAX_BYTES = 4 * 1024 * 1024

/** While nothing is read, the broker hears from us at this pace, and the answers that wait unread are not missed. */
const SIGN_OF_LIFE_MS = 10_000

/** Messages between the network and their reader. */
export class MqttInbox {
  #packets: IPublishPacket[] = []
  #bytes = 0
  #failure: Error | undefined
  #wake: (() => void) | undefined
  #more: (() => void) | undefined
  #signs: NodeJS.Timeout | undefined

  put(packet: IPublishPacket, client: () => MqttClient | undefined, more: () => void): void {
    if (this.#failure !== undefined) return more()
    this.#packets.push(packet)
    this.#bytes += packet.payload.length
    this.#wake?.()
    if (this.#packets.length < MAX_MESSAGES && this.#bytes < MAX_BYTES) return more()
    this.#more = more
    this.#signs = setInterval(() => {
      if (client()?.connected !== true) return
      client()?.sendPing()
      client()?.reschedulePing(true)
    }, SIGN_OF_LIFE_MS).unref()
  }

  /** What is here is still read; then the reader gets the error. */
  fail(error: Error): void {
    this.#failure ??= error
    clearInterval(this.#signs)
    this.#wake?.()
    // A connection that nobody reads cannot close.
    this.#more?.()
    this.#more = undefined
  }

  /** The next message; throws what {@link fail} was told. */
  async take(): Promise<IPublishPacket> {
    for (;;) {
      const packet = this.#packets.shift()
      if (packet !== undefined) {
        this.#bytes -= packet.payload.length
        this.#goOn()
        return packet
      }
      if (this.#failure !== undefined) throw this.#failure
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #goOn(): void {
    const more = this.#more
    if (more === undefined || this.#packets.length > MAX_MESSAGES / 2 || this.#bytes > MAX_BYTES / 2) return
    this.#more = undefined
    clearInterval(this.#signs)
    more()
  }
}
