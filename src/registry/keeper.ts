import { CID } from 'multiformats/cid'
import type { Hex, Logger } from '../interface/index.ts'
import type { RegistryBlocks, RegistryContentRouting } from './components.ts'
import { manifestToCid } from './document.ts'
import { abortable } from './retry.ts'

/** Provider records that are written at once. */
const PROVIDES = 2
const PROVIDE_TIMEOUT_MS = 60_000

export interface DocumentKeeperComponents {
  blocks: RegistryBlocks
  contentRouting: RegistryContentRouting
  logger: Logger
}

/** Documents outlive their seller's uptime: keeps blocks that others may ask for, and provider records of them. */
export class DocumentKeeper {
  readonly #components: DocumentKeeperComponents
  readonly #toProvide = new Set<string>()
  readonly #providing = new Set<Promise<void>>()
  readonly #stop = new AbortController()

  constructor(components: DocumentKeeperComponents) {
    this.#components = components
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#providing)
  }

  /** Keeps a document where bitswap serves it from. */
  async keep(manifest: Hex, bytes: Uint8Array): Promise<void> {
    const { blocks, logger } = this.#components
    const signal = this.#stop.signal
    const cid = manifestToCid(manifest)
    try {
      if (!(await blocks.has(cid, { signal }))) await blocks.put(cid, bytes, { signal })
      this.#toProvide.add(cid.toString())
      if (this.#providing.size < PROVIDES) {
        const work: Promise<void> = this.#provide().finally(() => this.#providing.delete(work))
        this.#providing.add(work)
      }
    } catch (error) {
      if (!signal.aborted) logger.warn('document was not kept', { cid: cid.toString(), error: String(error) })
    }
  }

  /** Says in the DHT who has the documents, one after the other. */
  async #provide(): Promise<void> {
    const { contentRouting, logger } = this.#components
    for (const cid of this.#toProvide) {
      if (this.#stop.signal.aborted) return
      this.#toProvide.delete(cid)
      try {
        const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(PROVIDE_TIMEOUT_MS)])
        await abortable(contentRouting.provide(CID.parse(cid), { signal }), signal)
      } catch (error) {
        logger.debug('document was not provided', { cid, error: String(error) })
      }
    }
  }
}
