import type { Address, Hex, IndexStore, ListingDocument, ListingStatus, Logger } from '../interface/index.ts'
import type { RegistryBlocks, RegistryContentRouting } from './components.ts'
import { decodeDocument, digestOf, manifestToCid, postedPrice } from './document.ts'
import { arrived, badSteps, reasonOf, storeSteps } from './document-steps.ts'
import { DocumentFetcher } from './fetcher.ts'
import { DocumentKeeper } from './keeper.ts'
import type { ListingTable } from './listings.ts'
import { RecentMap } from './recent-map.ts'
import { Alarm, abortable, backoff, sleep } from './retry.ts'
import type { Step } from './tables.ts'
import type { Watchers } from './watch.ts'

/** `settled` looks again after each turn of the loop, and this often, ms. */
const SETTLED_POLL_MS = 100

/** Listings looked at in one transaction: with their documents at most 8 MiB in memory. */
const BATCH = 128

/** Pause after the index failed, doubled up to the second figure. */
const RETRY_MS = 1_000
const RETRY_MAX_MS = 60_000

/** Documents of announcements that wait for their event, newest last: at most 1 MiB. */
const OFFERED = 256

/** A document that no listing names any more is kept this long: a reorganisation may bring its listing back. */
const UNUSED_MS = 24 * 3_600_000

export interface DocumentsComponents {
  index: IndexStore
  listings: ListingTable
  watchers: Watchers
  blocks: RegistryBlocks
  contentRouting: RegistryContentRouting
  logger: Logger
}

export interface DocumentsInit {
  chainId: number
  /** This node's account: its documents are always kept. */
  account: Address | undefined
  keepDocuments: boolean
  maxListingsPerAccount: number
}

type Candidate = {
  listing_id: string
  seller: string | null
  version: number
  manifest: string
  token: string
  unit_price: string
  unit: number
  posted: string
  status: string
  updated_at: number
  bytes: Uint8Array | null
  bad: string | null
  row_posted: string | null
}

type Outcome = { state: string; reason?: string; steps: Step[]; keep?: { manifest: Hex; bytes: Uint8Array } }

/**
 * Brings the searchable table in line with the chain's: finds the document of each listing, checks it against its
 * event, and only then shows it. Works off `registry_todo` and `registry_missing`, so it continues where it was killed.
 */
export class Documents {
  readonly #components: DocumentsComponents
  readonly #init: DocumentsInit
  readonly #offered = new RecentMap<Uint8Array>(OFFERED)
  readonly #fetcher: DocumentFetcher
  readonly #keeper: DocumentKeeper
  readonly #stop = new AbortController()
  readonly #alarm = new Alarm()
  #turn = Promise.withResolvers<void>()
  #loop: Promise<void> | undefined

  constructor(components: DocumentsComponents, init: DocumentsInit) {
    this.#components = components
    this.#init = init
    this.#fetcher = new DocumentFetcher(components, () => this.wake())
    this.#keeper = new DocumentKeeper(components)
  }

  start(): void {
    this.#loop ??= this.#run(this.#stop.signal)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#loop
    await Promise.all([this.#fetcher.stop(), this.#keeper.stop()])
    this.#turn.resolve()
  }

  wake(): void {
    this.#alarm.wake()
  }

  /** A document that came with an announcement: saves the fetch when its event arrives. */
  offer(manifest: Hex, bytes: Uint8Array): void {
    this.#offered.set(manifest, bytes)
  }

  /** A document that its listing waits for came another way than by fetching it. */
  async deliver(manifest: Hex, bytes: Uint8Array): Promise<void> {
    await this.#components.index.run(arrived(manifest, bytes))
    this.wake()
  }

  /** Stores a checked document durably. */
  async keep(manifest: Hex, bytes: Uint8Array): Promise<void> {
    await this.#components.index.run(storeSteps(manifest, bytes))
  }

  /** Resolves when every listing was looked at and every document was asked for at least once, or after `maxMs`. */
  async settled(maxMs: number, signal?: AbortSignal): Promise<void> {
    const end = Date.now() + maxMs
    this.#alarm.wake()
    for (;;) {
      signal?.throwIfAborted()
      const turn = this.#turn.promise
      const [open] = await this.#components.index.all<{ todo: number; untried: number }>(
        `select exists (select 1 from registry_todo) as todo,
          exists (select 1 from registry_missing join registry_head using (manifest) where attempts = 0) as untried`
      )
      const isLate = Date.now() >= end
      if (this.#stop.signal.aborted || (Number(open?.todo) === 0 && (Number(open?.untried) === 0 || isLate))) return
      const pause = new AbortController()
      await abortable(Promise.race([turn, sleep(SETTLED_POLL_MS, pause.signal)]), signal).finally(() => pause.abort())
    }
  }

  async #run(stop: AbortSignal): Promise<void> {
    const { logger } = this.#components
    let failures = 0
    let prunedAt = 0
    while (!stop.aborted) {
      let pause: number
      try {
        while (await this.#reconcile());
        pause = await this.#fetcher.start()
        if (Date.now() - prunedAt > UNUSED_MS / 24) {
          await this.#prune()
          prunedAt = Date.now()
        }
        failures = 0
      } catch (error) {
        if (stop.aborted) break
        logger.error('registry index failed', { error: String(error) })
        pause = backoff(failures++, RETRY_MS, RETRY_MAX_MS)
      }
      this.#turn.resolve()
      this.#turn = Promise.withResolvers()
      await this.#alarm.wait(pause, stop)
    }
  }

  /** Looks at some listings; false when none is left. */
  async #reconcile(): Promise<boolean> {
    const { index, watchers } = this.#components
    this.#stop.signal.throwIfAborted()
    const rows = await index.all<Candidate>(
      `select todo.listing_id, h.seller, h.version, h.manifest, h.token, h.unit_price, h.unit, h.posted, h.status,
          h.updated_at, d.bytes, d.bad, l.posted as row_posted
        from (select rowid as place, listing_id from registry_todo order by rowid limit ?) todo
        left join registry_head h on h.listing_id = todo.listing_id
        left join registry_document d on d.manifest = h.manifest
        left join registry_listing l on l.listing_id = todo.listing_id and l.trust = 'confirmed'
        order by todo.place`,
      [BATCH]
    )
    if (rows.length === 0) return false
    const steps: Step[] = []
    const keep: Array<{ manifest: Hex; bytes: Uint8Array }> = []
    // Listings per account that this batch goes looking for: the table does not count them yet.
    const wanted = new Map<string, number>()
    for (const row of rows) {
      const outcome = await this.#decide(row, wanted)
      steps.push(...outcome.steps, {
        // The head may have changed since it was read; then it has a new row in the work list.
        sql: 'update registry_head set state = ?, reason = ? where listing_id = ? and posted is ?',
        params: [outcome.state, outcome.reason ?? null, row.listing_id, row.posted]
      })
      steps.push({
        sql: `delete from registry_todo where listing_id = ? and ? is (
          select posted || status from registry_head where listing_id = registry_todo.listing_id)`,
        params: [row.listing_id, row.seller === null ? null : row.posted + row.status]
      })
      if (outcome.keep !== undefined) keep.push(outcome.keep)
    }
    await watchers.around(
      rows.map(({ listing_id }) => listing_id),
      () => index.run(steps)
    )
    for (const { manifest, bytes } of keep) await this.#keeper.keep(manifest, bytes)
    return true
  }

  async #decide(row: Candidate, wanted: Map<string, number>): Promise<Outcome> {
    const { listings, logger } = this.#components
    const listingId = row.listing_id as Hex
    const hide = (state: string, reason?: string, more: Step[] = []): Outcome => ({
      state,
      ...(reason === undefined ? {} : { reason }),
      steps: [...listings.remove(listingId, 'confirmed', ''), ...more]
    })
    if (row.seller === null) return hide('unknown')
    if (row.bad !== null) return hide('bad', `its document is bad: ${row.bad}`)

    const manifest = row.manifest as Hex
    let bytes = row.bytes ?? undefined
    const found: Step[] = []
    if (bytes === undefined) {
      const excess = await this.#excess(listingId, row.seller, wanted)
      if (excess !== undefined) return hide('capped', excess)
      bytes = await this.#local(manifest)
      if (bytes === undefined) return this.#miss(row.status, manifest, hide)
    }

    let document: ListingDocument
    try {
      document = decodeDocument(bytes)
      if (row.bytes === null) found.push(...storeSteps(manifest, bytes))
    } catch (error) {
      const bad = reasonOf(error)
      return hide('bad', `its document is bad: ${bad}`, badSteps(manifest, bad))
    }
    const mismatch = this.#mismatch(row, document)
    if (mismatch !== undefined) {
      logger.debug('listing does not match its document', { listing: listingId, reason: mismatch })
      return hide('mismatch', `its document does not match: ${mismatch}`, found)
    }

    const own = row.seller === this.#init.account
    const outcome: Outcome = { state: 'confirmed', steps: found }
    if ((this.#init.keepDocuments || own) && row.status !== 'retired') outcome.keep = { manifest, bytes }
    const status = row.status as ListingStatus
    const updatedAt = Number(row.updated_at)
    if (row.row_posted === row.posted) {
      outcome.steps.push({
        sql: "update registry_listing set status = ?, updated_at = ? where listing_id = ? and trust = 'confirmed'",
        params: [status, updatedAt, listingId]
      })
    } else {
      const entry = {
        listingId,
        trust: 'confirmed' as const,
        source: '',
        posted: row.posted,
        version: Number(row.version),
        manifest,
        cid: manifestToCid(manifest).toString(),
        account: row.seller as Address,
        status,
        updatedAt,
        document
      }
      outcome.steps.push(...listings.put(entry), ...listings.removeAnnounced(listingId))
    }
    return outcome
  }

  /** Why a document is not the one that the event posted; the event's digest already fits. */
  #mismatch(row: Candidate, document: ListingDocument): string | undefined {
    if (document.id !== row.listing_id) return `it is of listing ${document.id}`
    const { account } = document.seller
    if (account !== undefined && account !== row.seller)
      return `it names the account ${account}, ${row.seller} posted it`
    try {
      const price = postedPrice(document, this.#init.chainId)
      const says = `${price.unitPrice} of ${price.token} per unit ${price.unit}`
      const posted = `${BigInt(row.unit_price)} of ${row.token} per unit ${row.unit}`
      return says === posted ? undefined : `it asks ${says}, posted were ${posted}`
    } catch (error) {
      return reasonOf(error)
    }
  }

  /** Bytes that need no fetching, checked against the digest. */
  async #local(manifest: Hex): Promise<Uint8Array | undefined> {
    const { blocks, logger } = this.#components
    const offered = this.#offered.get(manifest)
    if (offered !== undefined && digestOf(offered) === manifest) return offered
    const cid = manifestToCid(manifest)
    try {
      return (await blocks.has(cid, { signal: this.#stop.signal })) ? await this.#fetcher.get(cid) : undefined
    } catch (error) {
      logger.debug('local block is unreadable', { cid: cid.toString(), error: String(error) })
      return undefined
    }
  }

  /** Why one more listing of this account is one too many. */
  async #excess(listingId: Hex, seller: string, wanted: Map<string, number>): Promise<string | undefined> {
    const [others] = await this.#components.index.all<{ count: number }>(
      `select count(*) as count from registry_head
        where seller = ? and listing_id <> ? and state in ('missing', 'confirmed', 'bad', 'mismatch')`,
      [seller, listingId]
    )
    const count = Number(others?.count) + (wanted.get(seller) ?? 0)
    if (seller !== this.#init.account && count >= this.#init.maxListingsPerAccount) {
      return `its account has ${count} listings already, as many as this node keeps of one`
    }
    wanted.set(seller, (wanted.get(seller) ?? 0) + 1)
    return undefined
  }

  async #miss(
    status: string,
    manifest: Hex,
    hide: (state: string, reason?: string, more?: Step[]) => Outcome
  ): Promise<Outcome> {
    if (status === 'retired') return hide('retired', 'it is retired and its document was not looked for')
    const want = [{ sql: 'insert or ignore into registry_missing (manifest) values (?)', params: [manifest] }]
    // Searches do not show the older version any more; it is only removed, and watchers told so, when the new version's
    // document does not come at the first attempt. Mostly it comes, and they see an update.
    const attempts = await this.#components.index.all<{ attempts: number }>(
      'select attempts from registry_missing where manifest = ? and attempts > 0',
      [manifest]
    )
    return attempts.length > 0 ? hide('missing', undefined, want) : { state: 'missing', steps: want }
  }

  async #prune(): Promise<void> {
    await this.#components.index.run([
      {
        sql: 'delete from registry_document where fetched_at < ? and manifest not in (select manifest from registry_head)',
        params: [Date.now() - UNUSED_MS]
      },
      { sql: 'delete from registry_missing where manifest not in (select manifest from registry_head)' }
    ])
  }
}
