import type { Server, Socket } from 'node:net'
import type { Transport } from '@libp2p/interface'
import { type WebSocketsComponents, webSockets } from '@libp2p/websockets'

/**
 * WebSockets whose listeners tell of each socket as it is accepted. libp2p hears of one only after its HTTP upgrade, and
 * waits for its first byte without end: silent sockets would take every file descriptor with nobody counting them.
 */
export function guardedWebSockets(onSocket: (socket: Socket) => void): (components: WebSocketsComponents) => Transport {
  return (components) => {
    const transport = webSockets()(components)
    const createListener = transport.createListener.bind(transport)
    transport.createListener = (options) => {
      const listener = createListener(options)
      // The one hook that there is; the listener's type does not show it.
      const { server } = listener as unknown as { server: Server }
      server.on('connection', onSocket)
      return listener
    }
    return transport
  }
}
