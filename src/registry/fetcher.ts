import type { CID } from 'multiformats/cid'
import { DdmError, type Hex, type IndexStore, type Logger } from '../interface/index.ts'
import type { RegistryBlocks } from './components.ts'
import { MAX_DOCUMENT_BYTES } from './constants.ts'
import { cidToManifest, digestOf, manifestToCid } from './document.ts'
import { arrived, badSteps, lookAgain } from './document-steps.ts'
import { abortable, backoff } from './retry.ts'
import type { Step } from './tables.ts'

/** Documents that are fetched at once, in all and of one account. */
const FETCHES = 8
const FETCHES_PER_ACCOUNT = 2

const FETCH_TIMEOUT_MS = 10_000
const RETRY_MS = 1_000
const RETRY_MAX_MS = 10 * 60_000

export interface DocumentFetcherComponents {
  index: IndexStore
  blocks: RegistryBlocks
  logger: Logger
}

/** Works off `registry_missing`: asks the peers for documents, again and again, later and later. */
export class DocumentFetcher {
  readonly #components: DocumentFetcherComponents
  readonly #onDone: () => void
  readonly #fetching = new Map<Hex, { seller: string; work: Promise<void> }>()
  readonly #stop = new AbortController()

  constructor(components: DocumentFetcherComponents, onDone: () => void) {
    this.#components = components
    this.#onDone = onDone
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(Array.from(this.#fetching.values(), ({ work }) => work))
  }

  /** A block, checked against its CID. */
  async get(cid: CID): Promise<Uint8Array> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)])
    const bytes = await abortable(this.#components.blocks.get(cid, { signal, maxBytes: MAX_DOCUMENT_BYTES }), signal)
    const digest = digestOf(bytes)
    if (digest !== cidToManifest(cid)) throw new Error(`the block has the digest ${digest}`)
    return bytes
  }

  /** Starts the fetches that are due; resolves with the ms until the next one is. */
  async start(): Promise<number> {
    const { index } = this.#components
    const now = Date.now()
    // The least tried first, and few of one account at a time: whoever posts a thousand dead documents waits for himself.
    const due = await index.all<{ manifest: string; seller: string; attempts: number }>(
      `select manifest, seller, attempts from (
          select m.manifest, m.attempts, m.next_at, h.seller,
            row_number() over (partition by h.seller order by m.attempts, m.next_at) as place
          from registry_missing m join registry_head h on h.manifest = m.manifest where m.next_at <= ?)
        where place <= ? order by attempts, next_at limit ?`,
      [now, FETCHES_PER_ACCOUNT + FETCHES, FETCHES * 4]
    )
    for (const { manifest, seller, attempts } of due) {
      if (this.#fetching.size >= FETCHES) break
      const key = manifest as Hex
      const ofSeller = Array.from(this.#fetching.values()).filter((other) => other.seller === seller).length
      if (this.#fetching.has(key) || ofSeller >= FETCHES_PER_ACCOUNT) continue
      const work = this.#fetch(key, Number(attempts)).finally(() => {
        this.#fetching.delete(key)
        this.#onDone()
      })
      this.#fetching.set(key, { seller, work })
    }
    const [next] = await index.all<{ at: number | null }>(
      'select min(next_at) as at from registry_missing where next_at > ?',
      [now]
    )
    return next?.at == null ? RETRY_MAX_MS : Math.max(0, Number(next.at) - now)
  }

  async #fetch(manifest: Hex, attempts: number): Promise<void> {
    const { index, logger } = this.#components
    const cid = manifestToCid(manifest)
    try {
      let steps: Step[]
      try {
        steps = arrived(manifest, await this.get(cid))
      } catch (error) {
        if (this.#stop.signal.aborted) return
        const isTooLarge = error instanceof DdmError && error.code === 'protocol'
        const nextAt = Date.now() + backoff(attempts, RETRY_MS, RETRY_MAX_MS)
        logger.debug('listing document was not found', { cid: cid.toString(), attempts, error: String(error) })
        steps = isTooLarge
          ? [...badSteps(manifest, error.message), lookAgain(manifest)]
          : [
              {
                sql: 'update registry_missing set attempts = attempts + 1, next_at = ? where manifest = ?',
                params: [nextAt, manifest]
              },
              ...(attempts === 0 ? [lookAgain(manifest)] : [])
            ]
      }
      await index.run(steps)
    } catch (error) {
      if (!this.#stop.signal.aborted) logger.error('registry index failed', { error: String(error) })
    }
  }
}
