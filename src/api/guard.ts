import { timingSafeEqual } from 'node:crypto'

export interface GuardInit {
  /** `host:port` that requests may be addressed to: what a page of another site makes the browser resolve is none of them. */
  hosts: readonly string[]
  /** Given as `Authorization: Bearer …`. */
  token: string
}

export interface RequestHead {
  method: string
  /** Without the query. */
  path: string
  headers: Readonly<Record<string, string | string[] | undefined>>
}

/** Why a request is refused: status and what to say. */
export interface Refusal {
  status: 401 | 403
  detail: string
}

/** What is the same for everybody and says nothing of this node. */
const OPEN_PATHS = new Set(['/health'])

/**
 * Decides about a request from its head alone: the host it names (DNS rebinding), the page it comes from (cross-site
 * requests), and the token. Paths below `/v1` and `/metrics` need the token; the page's files are public.
 */
export function createGuard({ hosts, token }: GuardInit): (request: RequestHead) => Refusal | undefined {
  const allowed = new Set(hosts)
  const origins = new Set(hosts.map((host) => `http://${host}`))
  const expected = Buffer.from(`Bearer ${token}`)
  return ({ method, path, headers }) => {
    const { host, origin, authorization } = headers
    if (typeof host !== 'string' || !allowed.has(host.toLowerCase())) {
      return { status: 403, detail: 'this address is not served under that host name' }
    }
    if (origin !== undefined && (typeof origin !== 'string' || !origins.has(origin.toLowerCase()))) {
      return { status: 403, detail: 'pages of other sites may not use this API' }
    }
    if (OPEN_PATHS.has(path)) return undefined
    const isFile = (method === 'GET' || method === 'HEAD') && !path.startsWith('/v1') && path !== '/metrics'
    if (isFile) return undefined
    const given = Buffer.from(typeof authorization === 'string' ? authorization : '')
    if (given.length === expected.length && timingSafeEqual(given, expected)) return undefined
    return {
      status: 401,
      detail:
        authorization === undefined ? 'give the token of this node: Authorization: Bearer …' : 'the token is wrong'
    }
  }
}
