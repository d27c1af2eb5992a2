import type { LocalNode } from '../node/index.ts'
import { createMetrics, LISTING_SCHEMA, type Metrics } from '../node/index.ts'
import { pageUrl } from './client/connect.ts'
import { Followings } from './followings.ts'
import { openApi } from './openapi.ts'
import { Products } from './products.ts'
import { Purchases } from './purchases.ts'
import type { ApiServer } from './server.ts'

export interface ServeNodeInit {
  node: LocalNode
  version: string
  /** Folder with the page's files; without it there is no page. */
  page?: string | undefined
  /** Goes on with what earlier runs sold and bought for the API. @default false */
  reopen?: boolean
}

export interface ServedNode extends ApiServer {
  /** Address of the page, with what opens it. */
  readonly page: string
}

/**
 * Serves the control API of a node at its setting `api`; undefined when that is `off`.
 *
 * @example
 * ```ts
 * const served = await serveNode({ node, version: '1.0.0' })
 * console.log(served?.url)
 * ```
 */
export async function serveNode({
  node,
  version,
  page,
  reopen = false
}: ServeNodeInit): Promise<ServedNode | undefined> {
  // Programs that only ask a running node do not load the server.
  const { serveApi } = await import('./server.ts')
  const { settings } = node
  const { api: listen, apiHosts: hosts } = settings
  if (listen === 'off') return undefined
  const logger = node.logger
  const [products, purchases] = [new Products({ node, logger }), new Purchases({ node, logger })]
  // Whoever is never asked for them does not load what makes them.
  let metrics: Promise<Metrics> | undefined
  const server = await serveApi({
    host: {
      node,
      products,
      purchases,
      followings: new Followings(node),
      version,
      listingSchema: LISTING_SCHEMA,
      openApi: () => openApi(version),
      startedAt: Date.now(),
      metrics: async (options) => {
        metrics ??= createMetrics(node)
        const { contentType, text } = await metrics
        return { contentType, text: await text(options) }
      }
    },
    listen,
    hosts,
    logger,
    page
  })
  if (reopen) {
    await products.reopen()
    await purchases.reopen()
  }
  const unwatch = products.watch()
  const stop: ApiServer['stop'] = async (finish) => {
    unwatch()
    await server.stop(async () => {
      await purchases.suspend()
      await finish?.()
    })
  }
  return { ...server, stop, page: pageUrl(server.url, server.token) }
}
