import type { Multiaddr } from '@multiformats/multiaddr'

/** The part of libp2p's address manager that is used here. */
interface AddressManager {
  getAddressesWithMetadata: () => Array<{ multiaddr: Multiaddr; verified: boolean; type: string }>
  confirmObservedAddr: (address: Multiaddr, options: { type: 'transport' }) => void
}

export interface OwnAddressesComponents {
  addressManager: AddressManager
}

/**
 * The public addresses that this machine itself has. libp2p tells others of one only when a peer has dialled it back
 * (AutoNAT v2); private ones it always tells.
 */
export class OwnAddresses {
  readonly #manager: AddressManager

  constructor({ addressManager }: OwnAddressesComponents) {
    this.#manager = addressManager
  }

  /** Those that nobody has dialled back yet, and that nobody is told of. */
  unconfirmed(): string[] {
    return this.#untold().map(String)
  }

  /**
   * Tells others of them at once: for a node whose address goes into a profile. Of IPv6 a machine has several, some for a
   * day only: those wait to be dialled back.
   */
  confirm(): void {
    for (const address of this.#untold().filter(isIp4))
      this.#manager.confirmObservedAddr(address, { type: 'transport' })
  }

  #untold(): Multiaddr[] {
    const known = this.#manager.getAddressesWithMetadata()
    return known.flatMap(({ type, verified, multiaddr }) => (type === 'transport' && !verified ? [multiaddr] : []))
  }
}

function isIp4(address: Multiaddr): boolean {
  return address.toString().startsWith('/ip4/')
}
