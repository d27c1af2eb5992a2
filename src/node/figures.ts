import { statfs } from 'node:fs/promises'
import type { AbortOptions, ChainBlock } from '../interface/index.ts'
import type { Seller } from '../protocols/sdpp/index.ts'
import { type TotalExposure, totalExposure } from './exposure.ts'
import type { NodeParts } from './running-node.ts'
import type { Sales } from './sales.ts'
import type { NodeFigures } from './types.ts'
import { isFrozen } from './wallet.ts'

export interface FiguresComponents
  extends Pick<NodeParts, 'ledger' | 'chain' | 'network' | 'rails' | 'paths' | 'logger'> {
  sales: Sales
  seller: Seller
  /** Purchases under way. */
  buying: () => number
}

/** What is at stake takes a read of every channel: a meter is content with less often. */
const EXPOSURE_EVERY_MS = 60_000

/** What a node can count about itself: the newest head is the one that it was told of. */
export class Figures {
  readonly #components: FiguresComponents
  readonly #unlisten: () => void
  #head: ChainBlock | undefined
  #exposure: TotalExposure[] = []
  #exposureAt = Number.NEGATIVE_INFINITY

  constructor(components: FiguresComponents) {
    this.#components = components
    this.#unlisten = components.chain.registry.onHead((head) => {
      this.#head = head
    })
  }

  async read(options?: AbortOptions): Promise<NodeFigures> {
    const { ledger, network, paths, sales, seller, buying } = this.#components
    const [totals, held, exposure, disk] = await Promise.all([
      ledger.totals(options),
      this.#held(),
      this.#exposed(options),
      statfs(paths.root)
    ])
    const directions = network.libp2p.getConnections().map(({ direction }) => direction)
    return {
      totals,
      open: { buyer: buying(), seller: seller.sessions().length },
      connections: {
        inbound: directions.filter((direction) => direction === 'inbound').length,
        outbound: directions.filter((direction) => direction === 'outbound').length
      },
      products: sales.products().map(({ listing, log }) => ({ listing: listing.id, head: log.head })),
      held,
      exposure,
      head: this.#head,
      frozen: isFrozen(paths),
      freeBytes: disk.bavail * disk.bsize
    }
  }

  stop(): void {
    this.#unlisten()
  }

  /** A chain that does not answer leaves it as it was. */
  async #exposed(options?: AbortOptions): Promise<TotalExposure[]> {
    const { rails, ledger, logger } = this.#components
    if (performance.now() - this.#exposureAt < EXPOSURE_EVERY_MS) return this.#exposure
    this.#exposureAt = performance.now()
    try {
      this.#exposure = await totalExposure({ ...rails, ledger }, options)
    } catch (error) {
      logger.debug('what is at stake is not known', { error: String(error) })
    }
    return this.#exposure
  }

  async #held(): Promise<NodeFigures['held']> {
    const { payees } = this.#components.rails
    const held = payees.map(async ({ rail, channels }) => ({ rail, held: await channels?.held() }))
    return (await Promise.all(held)).flatMap(({ rail, held: one }) => (one === undefined ? [] : [{ rail, ...one }]))
  }
}
