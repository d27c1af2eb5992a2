import type { GossipSubEvents, Message, TopicValidatorFn } from '@libp2p/gossipsub'
import { TypedEventEmitter } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { RegistryPubSub } from '../../../src/registry/index.ts'

/** All subscribers hear each other directly; validators run at the receiver, as in gossipsub. */
export class PubSubNetwork {
  readonly nodes = new Set<MemoryPubSub>()
}

export class MemoryPubSub extends TypedEventEmitter<GossipSubEvents> implements RegistryPubSub {
  readonly topicValidators = new Map<string, TopicValidatorFn>()
  readonly verdicts: string[] = []
  readonly sent: Uint8Array[] = []
  readonly #topics = new Set<string>()
  readonly #network: PubSubNetwork
  readonly #peerId: string
  #sequence = 0n

  constructor(network: PubSubNetwork, peerId: string) {
    super()
    this.#network = network
    this.#peerId = peerId
  }

  subscribe(topic: string): void {
    this.#topics.add(topic)
    this.#network.nodes.add(this)
    for (const node of this.#network.nodes) {
      if (node === this) continue
      const subscriptions = [{ topic, subscribe: true }]
      const detail = { peerId: peerIdFromString(this.#peerId), subscriptions }
      node.safeDispatchEvent('subscription-change', { detail })
      this.safeDispatchEvent('subscription-change', {
        detail: { peerId: peerIdFromString(node.#peerId), subscriptions }
      })
    }
  }

  unsubscribe(topic: string): void {
    this.#topics.delete(topic)
    this.#network.nodes.delete(this)
  }

  async publish(topic: string, data: Uint8Array = new Uint8Array()) {
    const peers = Array.from(this.#network.nodes).filter((node) => node !== this && node.#topics.has(topic))
    if (peers.length === 0) throw new Error('PublishError.NoPeersSubscribedToTopic')
    this.sent.push(data)
    for (const peer of peers) await peer.receive(topic, data, this.#peerId)
    return { recipients: peers.map((peer) => peerIdFromString(peer.#peerId)) }
  }

  /** What arrives from a neighbour; tests call it to play a stranger. */
  async receive(topic: string, data: Uint8Array, from: string, neighbour = from): Promise<string> {
    const peer = peerIdFromString(from)
    if (peer.publicKey === undefined) throw new Error('Ed25519 only')
    const message: Message = {
      type: 'signed',
      from: peer,
      topic,
      data,
      sequenceNumber: this.#sequence++,
      signature: new Uint8Array(64),
      key: peer.publicKey
    }
    const verdict = await this.topicValidators.get(topic)?.(peerIdFromString(neighbour), message)
    this.verdicts.push(String(verdict))
    if (verdict === 'accept') this.safeDispatchEvent('message', { detail: message })
    return String(verdict)
  }
}
