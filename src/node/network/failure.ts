import { DdmError } from '../../interface/index.ts'

/** libp2p lists each address that could not be listened on in its message: `  /ip4/…: listen EADDRINUSE: …`. */
const LISTEN_FAILURE = /^\s*(\/\S+): .*\b(EADDRINUSE|EACCES|EADDRNOTAVAIL)\b(?:.*?(\S+:\d+)\s*$)?/m

const WHY = { EACCES: 'this user may not open that port', EADDRNOTAVAIL: 'this machine does not have that address' }

/** Why libp2p did not start, in words of the configuration. */
export function startFailure(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof DdmError) return error
  const [, address, code] = LISTEN_FAILURE.exec(error.message) ?? []
  if (address === undefined) {
    if (error.name !== 'UnsupportedListenAddressesError') return error
    return new DdmError('config', `cannot listen: ${error.message.split('\n').slice(1).join(' ').trim()}`, {
      cause: error
    })
  }
  if (code === 'EADDRINUSE') {
    return new DdmError(
      'portInUse',
      `another process listens on ${address}; stop it or choose another port with --listen`,
      { cause: error, details: { address } }
    )
  }
  return new DdmError('config', `cannot listen on ${address}: ${WHY[code as keyof typeof WHY]}`, { cause: error })
}

/** The stores do not say why they cannot be opened; the usual reason is another process. */
export function storeFailure(path: string, cause: unknown): DdmError {
  const message = cause instanceof Error ? cause.message : String(cause)
  return new DdmError('config', `cannot open ${path}: ${message}; is another process using it?`, { cause })
}
