import type { Libp2p } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { DdmError, type Logger } from '../../interface/index.ts'
import { BOOTSTRAP_RETRY_MS } from './constants.ts'

/** Peer ID at the end of a multiaddr; undefined when it has none. */
export function peerIdOf(address: Multiaddr): string | undefined {
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

/**
 * Dials the bootstrap nodes until one is connected, for as long as the node runs: libp2p's own discovery tries once, and its
 * keep-alive gives up after some minutes. Returns the function that ends it.
 */
export function keepBootstrapped(libp2p: Libp2p, bootstrap: string[], logger: Logger): () => void {
  if (bootstrap.length === 0) return () => {}
  const stopped = new AbortController()
  let delay = BOOTSTRAP_RETRY_MS.first
  let timer: NodeJS.Timeout

  const dial = async (): Promise<void> => {
    if (isBootstrapped(libp2p, bootstrap)) {
      delay = BOOTSTRAP_RETRY_MS.first
      return
    }
    const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(BOOTSTRAP_RETRY_MS.maximum)])
    const dials = bootstrap.map(async (entry) => libp2p.dial(multiaddr(entry), { signal }))
    await Promise.any(dials).catch((error: unknown) => {
      if (!stopped.signal.aborted) logger.debug('no bootstrap node answers', { error, retryMs: delay })
    })
    delay = Math.min(delay * 2, BOOTSTRAP_RETRY_MS.maximum)
  }
  const next = (): void => {
    timer = setTimeout(() => void dial().finally(() => !stopped.signal.aborted && next()), delay)
  }
  next()
  return () => {
    stopped.abort()
    clearTimeout(timer)
  }
}
