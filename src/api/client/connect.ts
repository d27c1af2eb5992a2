import { type AbortOptions, DdmError } from '../../interface/index.ts'
import { type DdmNode, isHomeLocked } from '../../node/index.ts'
import { readAddress, readToken } from '../address-file.ts'
import { getNode } from '../operations/node.ts'
import { HttpClient } from './http.ts'
import { remoteNode } from './remote-node.ts'

/** Its lock says that it lives: a busy machine may make it slow. */
const ANSWER_MS = 30_000

export interface ConnectedNode {
  node: DdmNode
  /** Where its page is, with what opens it. */
  page: string
  version: string
  startedAt: number
  pid: number
}

/**
 * The node that runs on a home; undefined when none does, or it serves no API.
 *
 * @example
 * ```ts
 * const running = await connectNode('/home/me/.local/share/ddm')
 * await running?.node.listings.search('weather')
 * ```
 */
export async function connectNode(home: string, options: AbortOptions = {}): Promise<ConnectedNode | undefined> {
  // What a node that was killed left behind is asked nothing: somebody else may listen there by now, and get the token.
  if (!isHomeLocked(home)) return undefined
  const [address, token] = await Promise.all([readAddress(home), readToken(home)])
  if (address === undefined || token === undefined) return undefined
  const client = new HttpClient(address.url, token)
  const waits = [AbortSignal.timeout(ANSWER_MS), ...(options.signal === undefined ? [] : [options.signal])]
  try {
    const facts = await client.call(getNode, {}, { signal: AbortSignal.any(waits) })
    // Another node may listen where one that was killed did.
    if (facts.home !== home) return undefined
    const { version, startedAt, pid } = facts
    return { node: remoteNode(client, facts), page: pageUrl(address.url, token), version, startedAt, pid }
  } catch (error) {
    if (error instanceof DdmError && ['unreachable', 'refused', 'aborted', 'internal'].includes(error.code)) {
      options.signal?.throwIfAborted()
      return undefined
    }
    throw error
  }
}

/** The token travels in the fragment: no server and no log sees it. */
export function pageUrl(url: string, token: string): string {
  return `${url}/#token=${token}`
}
