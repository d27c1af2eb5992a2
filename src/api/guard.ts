import { timingSafeEqual } from 'node:crypto'

export interface GuardInit {
  /** `host:port` that requests may be addressed to: what a page of another site makes the browser resolve is none of them. */
  hosts: readonly string[]
  /** Given as `Authorization: Bearer …`. */
  token: string
}

export interface RequestHead {
  /**
   * The route that the router found; undefined: none. The target of the request says nothing: `/%76%31/node` and
   * `http://127.0.0.1/v1/node` lead to `/v1/node`, too.
   */
  route: string | undefined
  headers: Readonly<Record<string, string | string[] | undefined>>
}

/** Why a request is refused: status and what to say. */
export interface Refusal {
  status: 401 | 403
  detail: string
}

/** The page's files. */
export const PAGE_ROUTE = '/*'

/** What is the same for everybody and says nothing of this node. */
const OPEN_ROUTES: ReadonlySet<string | undefined> = new Set(['/health', PAGE_ROUTE])

/**
 * Decides about a request from its head alone: the host it names (DNS rebinding), the page it comes from (cross-site
 * requests), and the token, which everything needs but the page's files and `/health`.
 */
export function createGuard({ hosts, token }: GuardInit): (request: RequestHead) => Refusal | undefined {
  const allowed = new Set(hosts)
  const origins = new Set(hosts.map((host) => `http://${host}`))
  const expected = Buffer.from(`Bearer ${token}`)
  return ({ route, headers }) => {
    const { host, origin, authorization } = headers
    if (typeof host !== 'string' || !allowed.has(host.toLowerCase())) {
      return { status: 403, detail: 'this address is not served under that host name' }
    }
    if (origin !== undefined && (typeof origin !== 'string' || !origins.has(origin.toLowerCase()))) {
      return { status: 403, detail: 'pages of other sites may not use this API' }
    }
    if (OPEN_ROUTES.has(route)) return undefined
    const given = Buffer.from(typeof authorization === 'string' ? authorization : '')
    if (given.length === expected.length && timingSafeEqual(given, expected)) return undefined
    return {
      status: 401,
      detail:
        authorization === undefined ? 'give the token of this node: Authorization: Bearer …' : 'the token is wrong'
    }
  }
}
