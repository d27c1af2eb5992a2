import {
  type Address,
  DdmError,
  type Hex,
  type IndexStore,
  type ListingDocument,
  type ListingStatus,
  type Logger
} from '../interface/index.ts'
import type { RegistryBlocks, RegistryContentRouting } from './components.ts'
import { MAX_DOCUMENT_BYTES } from './constants.ts'
import { decodeDocument, digestOf, manifestToCid, postedPrice } from './document.ts'
import type { ListingTable } from './listings.ts'
import { Alarm, abortable, backoff, sleep } from './retry.ts'
import type { Step } from './tables.ts'
import type { Watchers } from './watch.ts'

/** Listings looked at in one transaction: with their documents at most 2 MiB in memory. */
const BATCH = 32

/** Documents that are fetched at once, in all and of one account. */
const FETCHES = 8
const FETCHES_PER_ACCOUNT = 2

const FETCH_TIMEOUT_MS = 10_000
const RETRY_MS = 1_000
const RETRY_MAX_MS = 10 * 60_000

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
  readonly #offered = new Map<Hex, Uint8Array>()
  readonly #fetching = new Map<Hex, { seller: string; work: Promise<void> }>()
  readonly #kept = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  readonly #alarm = new Alarm()
  #turn = Promise.withResolvers<void>()
  #loop: Promise<void> | undefined

  constructor(components: DocumentsComponents, init: DocumentsInit) {
    this.#components = components
    this.#init = init
  }

  start(): void {
    this.#loop ??= this.#run(this.#stop.signal)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#loop
    await Promise.all([...Array.from(this.#fetching.values(), ({ work }) => work), ...this.#kept])
    this.#turn.resolve()
  }

  wake(): void {
    this.#alarm.wake()
  }

  /** A document that came with an announcement: saves the fetch when its event arrives. */
  offer(manifest: Hex, bytes: Uint8Array): void {
    this.#offered.delete(manifest)
    this.#offered.set(manifest, bytes)
    for (const oldest of this.#offered.keys()) {
      if (this.#offered.size <= OFFERED) break
      this.#offered.delete(oldest)
    }
  }

  /** Stores a checked document durably. */
  async keep(manifest: Hex, bytes: Uint8Array): Promise<void> {
    await this.#components.index.run(storeSteps(manifest, bytes))
  }

  /** Resolves when every listing was looked at and every document was asked for at least once, or after `maxMs`. */
  async settled(maxMs: number, signal?: AbortSignal): Promise<void> {
    const end = Date.now() + maxMs
    for (;;) {
      signal?.throwIfAborted()
      const turn = this.#turn.promise
      const [open] = await this.#components.index.all<{ todo: number; untried: number }>(
        `select exists (select 1 from registry_todo) as todo,
          exists (select 1 from registry_missing join registry_head using (manifest) where attempts = 0) as untried`
      )
      const left = end - Date.now()
      if (this.#stop.signal.aborted || (Number(open?.todo) === 0 && (Number(open?.untried) === 0 || left <= 0))) return
      this.#alarm.wake()
      const pause = new AbortController()
      await abortable(Promise.race([turn, sleep(Math.max(left, 100), pause.signal)]), signal).finally(() =>
        pause.abort()
      )
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
        pause = await this.#fetchDue()
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
        from registry_todo todo
        left join registry_head h on h.listing_id = todo.listing_id
        left join registry_document d on d.manifest = h.manifest
        left join registry_listing l on l.listing_id = todo.listing_id and l.trust = 'confirmed'
        order by h.number limit ?`,
      [BATCH]
    )
    if (rows.length === 0) return false
    const steps: Step[] = []
    const keep: Array<{ manifest: Hex; bytes: Uint8Array }> = []
    for (const row of rows) {
      const outcome = await this.#decide(row)
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
    for (const { manifest, bytes } of keep) this.#serve(manifest, bytes)
    return true
  }

  async #decide(row: Candidate): Promise<Outcome> {
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
      bytes = await this.#local(manifest)
      if (bytes === undefined) return this.#miss(row, manifest, hide)
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
      if (!(await blocks.has(cid, { signal: this.#stop.signal }))) return undefined
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)])
      const bytes = await blocks.get(cid, { signal, maxBytes: MAX_DOCUMENT_BYTES })
      return digestOf(bytes) === manifest ? bytes : undefined
    } catch (error) {
      logger.debug('local block is unreadable', { cid: cid.toString(), error: String(error) })
      return undefined
    }
  }

  async #miss(
    row: Candidate,
    manifest: Hex,
    hide: (state: string, reason?: string, more?: Step[]) => Outcome
  ): Promise<Outcome> {
    if (row.status === 'retired') return hide('retired', 'it is retired and its document was not looked for')
    const [others] = await this.#components.index.all<{ count: number }>(
      `select count(*) as count from registry_head
        where seller = ? and listing_id <> ? and state in ('missing', 'confirmed', 'bad', 'mismatch')`,
      [row.seller, row.listing_id]
    )
    if (row.seller !== this.#init.account && Number(others?.count) >= this.#init.maxListingsPerAccount) {
      return hide('capped', `its account has ${others?.count} listings already, as many as this node keeps of one`)
    }
    const want = [{ sql: 'insert or ignore into registry_missing (manifest) values (?)', params: [manifest] }]
    // Searches do not show the older version any more; it is only removed, and watchers told so, when the new version's
    // document does not come at the first attempt. Mostly it comes, and they see an update.
    const attempts = await this.#components.index.all<{ attempts: number }>(
      'select attempts from registry_missing where manifest = ? and attempts > 0',
      [manifest]
    )
    return attempts.length > 0 ? hide('missing', undefined, want) : { state: 'missing', steps: want }
  }

  /** Starts the fetches that are due; resolves with the ms until the next one is. */
  async #fetchDue(): Promise<number> {
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
        this.#alarm.wake()
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
    const { blocks, index, logger } = this.#components
    const cid = manifestToCid(manifest)
    try {
      let steps: Step[]
      try {
        const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)])
        const bytes = await abortable(blocks.get(cid, { signal, maxBytes: MAX_DOCUMENT_BYTES }), signal)
        if (digestOf(bytes) !== manifest)
          throw new DdmError('protocol', `block ${cid} has the digest ${digestOf(bytes)}`)
        steps = arrived(manifest, bytes)
      } catch (error) {
        if (this.#stop.signal.aborted) return
        const nextAt = Date.now() + backoff(attempts, RETRY_MS, RETRY_MAX_MS)
        logger.debug('listing document was not found', { cid: cid.toString(), attempts, error: String(error) })
        steps = [
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

  /** Keeps a document where bitswap serves it from, and says so in the DHT. */
  #serve(manifest: Hex, bytes: Uint8Array): void {
    const { blocks, contentRouting, logger } = this.#components
    const signal = this.#stop.signal
    const cid = manifestToCid(manifest)
    const work = (async () => {
      try {
        if (!(await blocks.has(cid, { signal }))) await blocks.put(cid, bytes, { signal })
        await contentRouting.provide(cid, { signal: AbortSignal.any([signal, AbortSignal.timeout(60_000)]) })
      } catch (error) {
        if (!signal.aborted) logger.debug('document was not provided', { cid: cid.toString(), error: String(error) })
      }
    })().finally(() => this.#kept.delete(work))
    this.#kept.add(work)
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

function storeSteps(manifest: Hex, bytes: Uint8Array): Step[] {
  return [
    {
      sql: 'insert or replace into registry_document values (?, ?, null, ?)',
      params: [manifest, bytes, Date.now()]
    },
    { sql: 'delete from registry_missing where manifest = ?', params: [manifest] }
  ]
}

function badSteps(manifest: Hex, reason: string): Step[] {
  return [
    {
      sql: 'insert or replace into registry_document values (?, null, ?, ?)',
      params: [manifest, reason.slice(0, 500), Date.now()]
    },
    { sql: 'delete from registry_missing where manifest = ?', params: [manifest] }
  ]
}

/** A fetched document is stored as good or bad, once; its listings are looked at again. */
function arrived(manifest: Hex, bytes: Uint8Array): Step[] {
  let steps: Step[]
  try {
    decodeDocument(bytes)
    steps = storeSteps(manifest, bytes)
  } catch (error) {
    steps = badSteps(manifest, reasonOf(error))
  }
  return [...steps, lookAgain(manifest)]
}

function lookAgain(manifest: Hex): Step {
  const sql = 'insert or ignore into registry_todo select listing_id from registry_head where manifest = ?'
  return { sql, params: [manifest] }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
