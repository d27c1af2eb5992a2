import type { Libp2p } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { DdmError, type Logger } from '../../interface/index.ts'
import { BOOTSTRAP_RETRY_MS, BOOTSTRAP_TAG, BOOTSTRAP_TAG_VALUE } from './constants.ts'

/** Peer ID at the end of a multiaddr; undefined when it has none. */
function peerIdOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast(({ name }) => name === 'p2p')?.value
}

/** Checks the list and leaves out this node itself. Throws `config` naming the entry. */
export function parseBootstrap(list: string[], self: string): string[] {
  return list.filter((entry) => {
    const peer = peerIdOf(parseMultiaddr(entry, 'bootstrap address'))
    if (peer === undefined) {
      throw new DdmError('config', `bootstrap address "${entry}" does not end in /p2p/ and a peer ID`)
    }
    return peer !== self
  })
}

export function parseMultiaddr(text: string, what: string): Multiaddr {
  try {
    return multiaddr(text)
  } catch (error) {
    throw new DdmError('config', `${what} "${text}" is not a multiaddr; write it like /ip4/0.0.0.0/tcp/4001`, {
      cause: error
    })
  }
}

/** True while at least one of the bootstrap nodes is connected. */
export function isBootstrapped(libp2p: Libp2p, bootstrap: string[]): boolean {
  const peers = new Set(bootstrap.map((entry) => peerIdOf(multiaddr(entry))))
  return libp2p.getConnections().some(({ remotePeer, status }) => status === 'open' && peers.has(remotePeer.toString()))
}

/** Closes the connections to the bootstrap nodes; `keepBootstrapped` dials again. */
export async function dropBootstrapped(libp2p: Libp2p, bootstrap: string[]): Promise<void> {
  const peers = new Set(bootstrap.map((entry) => peerIdOf(multiaddr(entry))))
  const open = libp2p.getConnections().filter(({ remotePeer }) => peers.has(remotePeer.toString()))
  await Promise.allSettled(open.map((connection) => connection.close({ signal: AbortSignal.timeout(1_000) })))
}

/**
 * Dials the bootstrap nodes now, and again while none is connected, for as long as the node runs. Returns the
 * function that ends it.
 *
 * Not `@libp2p/bootstrap`: that dials while the node still starts, and a peer that identifies before the DHT has
 * registered for it never enters the routing table; and it tries once.
 */
export function keepBootstrapped(libp2p: Libp2p, bootstrap: string[], logger: Logger): () => void {
  if (bootstrap.length === 0) return () => {}
  const stopped = new AbortController()
  let delay = BOOTSTRAP_RETRY_MS.first
  let timer: NodeJS.Timeout | undefined

  const dial = async (): Promise<void> => {
    if (isBootstrapped(libp2p, bootstrap)) {
      delay = BOOTSTRAP_RETRY_MS.first
      return
    }
    const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(BOOTSTRAP_RETRY_MS.maximum)])
    const dials = bootstrap.map((entry) => dialBootstrap(libp2p, multiaddr(entry), signal))
    await Promise.any(dials).catch((error: unknown) => {
      if (!stopped.signal.aborted) logger.debug('no bootstrap node answers', { error, retryMs: delay })
      delay = Math.min(delay * 2, BOOTSTRAP_RETRY_MS.maximum)
    })
  }
  const run = (): void => {
    void dial().finally(() => {
      if (!stopped.signal.aborted) timer = setTimeout(run, delay)
    })
  }
  run()
  return () => {
    stopped.abort()
    clearTimeout(timer)
  }
}

/** Tagged, so that libp2p keeps the connection when it has too many, and opens it again when it was lost. */
async function dialBootstrap(libp2p: Libp2p, address: Multiaddr, signal: AbortSignal): Promise<void> {
  const { remotePeer } = await libp2p.dial(address, { signal })
  await libp2p.peerStore.merge(remotePeer, { tags: { [BOOTSTRAP_TAG]: { value: BOOTSTRAP_TAG_VALUE } } }, { signal })
}
