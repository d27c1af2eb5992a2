import { DdmError } from '../../interface/index.ts'
import { errnoOf } from '../files.ts'

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

export function storeFailure(path: string, error: unknown): DdmError {
  const cause = (error as Error).cause ?? error
  const code = errnoOf((cause as Error).cause) ?? errnoOf(cause)
  if (code === 'LEVEL_LOCKED') {
    return new DdmError('homeBusy', `another process has ${path} open; one home serves one process`, { cause: error })
  }
  return new DdmError('config', `cannot open ${path}: ${(cause as Error).message}`, { cause: error })
}
