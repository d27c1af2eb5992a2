import { type Message, type SubscriptionChangeData, TopicValidatorResult } from '@libp2p/gossipsub'
import type { Address, Hex, IndexStore, Logger } from '../interface/index.ts'
import { type Announcement, decodeAnnouncement, encodeAnnouncement } from './announcement.ts'
import type { RegistryPubSub } from './components.ts'
import { ANNOUNCE_INTERVAL_MS, announcementTopic, MAX_ANNOUNCEMENT_BYTES } from './constants.ts'
import { cidToManifest, decodeDocument, manifestToCid, postedPrice } from './document.ts'
import type { Documents } from './documents.ts'
import { CONFIRMED, LISTING_TABLES, type ListingTable } from './listings.ts'
import { RecentMap } from './recent-map.ts'
import { Alarm, sleep } from './retry.ts'
import { TokenBucket } from './token-bucket.ts'
import type { Watchers } from './watch.ts'

/** What one signer may announce: a seller with hundreds of listings fits, a flood does not. */
const SIGNER_BURST = 64
const SIGNER_PER_SECOND = 2

/** What one neighbour may hand on: signers are free to make up, neighbours are connections. */
const NEIGHBOUR_BURST = 256
const NEIGHBOUR_PER_SECOND = 20

/** Own announcements stay well inside what others accept of one signer. */
const OWN_BURST = 32
const OWN_PER_SECOND = 1

/** The same announcement again is not handed on before this time has passed. */
const REPEAT_MS = 60_000

/** When peers join, a listing is announced again, but not more often than this. */
const JOIN_INTERVAL_MS = 5_000
const JOIN_JITTER_MS = 400

/** Signers, neighbours and announcements that are remembered. */
const REMEMBERED = 2_048

/** Announced listings of one peer that are kept. */
const ANNOUNCED_PER_PEER = 32

/** Hints ask for a look at the chain at most this often. */
const HINT_INTERVAL_MS = 250

export interface AnnouncementsComponents {
  pubsub: RegistryPubSub
  index: IndexStore
  listings: ListingTable
  watchers: Watchers
  documents: Documents
  logger: Logger
}

export interface AnnouncementsInit {
  network: string
  chainId: number
  /** Own listings: posted by this account, for this peer. */
  account: Address | undefined
  peerId: string
  maxAnnounced: number
  /** Called when somebody says that the chain has something new. */
  onHint: () => void
}

type OwnListing = {
  listing_id: string
  version: number
  manifest: string
  tx: string
  account: string
  bytes: Uint8Array
}

/** Gossip about listings: hears hints, and gives them for this node's own listings. */
export class Announcements {
  readonly #components: AnnouncementsComponents
  readonly #init: AnnouncementsInit
  readonly #topic: string
  readonly #signers = new RecentMap<TokenBucket>(REMEMBERED)
  readonly #neighbours = new RecentMap<TokenBucket>(REMEMBERED)
  readonly #repeats = new RecentMap<number>(REMEMBERED)
  readonly #sent = new Map<string, { version: number; at: number; dueAt: number }>()
  readonly #own = new TokenBucket(OWN_BURST, OWN_PER_SECOND)
  readonly #stop = new AbortController()
  readonly #alarm = new Alarm()
  #loop: Promise<void> | undefined
  #joined = false
  #hearing: Promise<void> = Promise.resolve()
  #waiting = 0
  #hint: NodeJS.Timeout | undefined

  constructor(components: AnnouncementsComponents, init: AnnouncementsInit) {
    this.#components = components
    this.#init = init
    this.#topic = announcementTopic(init.network)
  }

  start(): void {
    const { pubsub } = this.#components
    pubsub.topicValidators.set(this.#topic, (neighbour, message) => this.#judge(neighbour.toString(), message))
    pubsub.addEventListener('message', this.#onMessage)
    pubsub.addEventListener('subscription-change', this.#onSubscription)
    pubsub.subscribe(this.#topic)
    this.#loop ??= this.#run(this.#stop.signal)
  }

  async stop(): Promise<void> {
    const { pubsub } = this.#components
    this.#stop.abort()
    clearTimeout(this.#hint)
    pubsub.removeEventListener('message', this.#onMessage)
    pubsub.removeEventListener('subscription-change', this.#onSubscription)
    pubsub.topicValidators.delete(this.#topic)
    try {
      pubsub.unsubscribe(this.#topic)
    } catch {
      // It was stopped before us: nothing is subscribed any more.
    }
    await Promise.all([this.#loop, this.#hearing])
  }

  /** Announces what is new of the own listings now, instead of in its turn. */
  wake(): void {
    this.#alarm.wake()
  }

  async #run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const interval = this.#joined ? JOIN_INTERVAL_MS : undefined
      this.#joined = false
      let pause = ANNOUNCE_INTERVAL_MS
      try {
        pause = await this.#announceDue(interval, stop)
      } catch (error) {
        if (!stop.aborted) this.#components.logger.debug('announcing failed', { error: String(error) })
      }
      await this.#alarm.wait(pause, stop)
      // Many peers see the same newcomer: they do not all speak at once.
      if (this.#joined) await sleep(Math.random() * JOIN_JITTER_MS, stop)
    }
  }

  /** Announces new versions, those whose time has come, and after a join those of the last `joinInterval` ms not. */
  async #announceDue(joinInterval: number | undefined, stop: AbortSignal): Promise<number> {
    const { account, peerId } = this.#init
    if (account === undefined) return ANNOUNCE_INTERVAL_MS
    const own = await this.#components.index.all<OwnListing>(
      `select l.listing_id, l.version, l.manifest, h.tx, l.account, d.bytes from ${LISTING_TABLES}
        where l.account = ? and l.peer_id = ? and ${CONFIRMED} and h.status = 'active' and d.bytes is not null`,
      [account, peerId]
    )
    const ids = new Set(own.map(({ listing_id }) => listing_id))
    for (const id of this.#sent.keys()) if (!ids.has(id)) this.#sent.delete(id)
    let next = ANNOUNCE_INTERVAL_MS
    for (const listing of own) {
      const now = Date.now()
      const sent = this.#sent.get(listing.listing_id)
      const dueAt =
        sent === undefined || sent.version !== Number(listing.version)
          ? now
          : joinInterval === undefined
            ? sent.dueAt
            : Math.min(sent.dueAt, sent.at + joinInterval)
      if (dueAt > now) {
        next = Math.min(next, dueAt - now)
        continue
      }
      await sleep(this.#own.wait(), stop)
      if (stop.aborted) break
      if (this.#own.take() && !(await this.#announce(listing))) break
    }
    // A join that came too soon after the last announcement is answered late rather than never.
    if (joinInterval !== undefined && next < joinInterval) this.#later(next)
    return next
  }

  #later(ms: number): void {
    setTimeout(() => {
      this.#joined = true
      this.#alarm.wake()
    }, ms).unref()
  }

  /** False when nobody listens: publishing is lost then, and the next peer that joins triggers another attempt. */
  async #announce(listing: OwnListing): Promise<boolean> {
    const { pubsub, logger } = this.#components
    const data = encodeAnnouncement({
      listingId: listing.listing_id as Hex,
      version: Number(listing.version),
      cid: manifestToCid(listing.manifest as Hex),
      transaction: listing.tx as Hex,
      account: listing.account as Address,
      document: listing.bytes
    })
    let recipients = 0
    try {
      recipients = (await pubsub.publish(this.#topic, data)).recipients.length
    } catch (error) {
      logger.debug('announcement was not sent', { listing: listing.listing_id, error: String(error) })
    }
    if (recipients === 0) return false
    const at = Date.now()
    const dueAt = at + ANNOUNCE_INTERVAL_MS * (1 + Math.random() / 5)
    this.#sent.set(listing.listing_id, { version: Number(listing.version), at, dueAt })
    return true
  }

  readonly #onSubscription = ({ detail }: CustomEvent<SubscriptionChangeData>): void => {
    if (!detail.subscriptions.some(({ topic, subscribe }) => topic === this.#topic && subscribe)) return
    this.#joined = true
    this.#alarm.wake()
  }

  /** Cheap and without the chain: what is malformed is the neighbour's fault, what is too much is not handed on. */
  #judge(neighbour: string, message: Message): TopicValidatorResult {
    if (message.type !== 'signed' || message.data.length > MAX_ANNOUNCEMENT_BYTES) return TopicValidatorResult.Reject
    const signer = message.from.toString()
    if (!allowed(this.#neighbours, neighbour, NEIGHBOUR_BURST, NEIGHBOUR_PER_SECOND)) return TopicValidatorResult.Ignore
    if (!allowed(this.#signers, signer, SIGNER_BURST, SIGNER_PER_SECOND)) return TopicValidatorResult.Ignore
    try {
      const announcement = decodeAnnouncement(message.data)
      checkAnnouncement(announcement, signer)
      const key = `${signer} ${announcement.listingId} ${announcement.version}`
      const now = performance.now()
      const before = this.#repeats.get(key)
      if (before !== undefined && now - before < REPEAT_MS) return TopicValidatorResult.Ignore
      this.#repeats.set(key, now)
      return TopicValidatorResult.Accept
    } catch (error) {
      this.#components.logger.debug('announcement rejected', { signer, error: String(error) })
      return TopicValidatorResult.Reject
    }
  }

  readonly #onMessage = ({ detail }: CustomEvent<Message>): void => {
    if (detail.topic !== this.#topic || detail.type !== 'signed' || this.#waiting >= REMEMBERED) return
    const signer = detail.from.toString()
    if (signer === this.#init.peerId) return
    this.#waiting++
    // One after the other, so that the newest of one signer wins.
    this.#hearing = this.#hearing
      .then(() => this.#hear(decodeAnnouncement(detail.data), signer))
      .catch((error: unknown) => this.#components.logger.debug('announcement was dropped', { error: String(error) }))
      .finally(() => this.#waiting--)
  }

  /** Never touches confirmed rows: all it can add is a row of its own, hidden from normal searches. */
  async #hear(announcement: Announcement, signer: string): Promise<void> {
    const { index, listings, documents, watchers } = this.#components
    if (this.#stop.signal.aborted) return
    const { listingId, version, cid, account, document: bytes } = announcement
    const manifest = cidToManifest(cid) as Hex
    const [head] = await index.all<{ version: number; manifest: string; state: string }>(
      'select version, manifest, state from registry_head where listing_id = ?',
      [listingId]
    )
    if (head !== undefined && Number(head.version) >= version) {
      const isAwaited = head.state === 'missing' && head.manifest === manifest
      if (bytes !== undefined && isAwaited) await documents.deliver(manifest, bytes)
      return
    }
    if (bytes !== undefined) documents.offer(manifest, bytes)
    this.#hinted()
    if (bytes === undefined || head !== undefined) return
    const document = decodeDocument(bytes)
    postedPrice(document, this.#init.chainId)
    const entry = {
      listingId,
      trust: 'announced' as const,
      source: signer,
      posted: '',
      version,
      manifest,
      cid: cid.toString(),
      account,
      status: 'active' as const,
      updatedAt: Date.now(),
      document,
      bytes
    }
    await watchers.around([listingId], () =>
      index.run([
        ...listings.put(entry),
        ...listings.trimAnnounced(signer, this.#init.maxAnnounced, ANNOUNCED_PER_PEER)
      ])
    )
  }

  #hinted(): void {
    this.#hint ??= setTimeout(() => {
      this.#hint = undefined
      this.#init.onHint()
    }, HINT_INTERVAL_MS)
  }
}

/** Only the seller announces his listings, and a document says whose it is. */
function checkAnnouncement({ document: bytes, listingId, account }: Announcement, signer: string): void {
  if (bytes === undefined) return
  const document = decodeDocument(bytes)
  if (document.id !== listingId) throw new Error(`the document is of listing ${document.id}`)
  if (document.seller.peerId !== signer) throw new Error(`the document is of peer ${document.seller.peerId}`)
  if (document.seller.account !== undefined && document.seller.account !== account) {
    throw new Error(`the document is of account ${document.seller.account}`)
  }
}

function allowed(buckets: RecentMap<TokenBucket>, key: string, burst: number, perSecond: number): boolean {
  let bucket = buckets.get(key)
  if (bucket === undefined) {
    bucket = new TokenBucket(burst, perSecond)
    buckets.set(key, bucket)
  }
  return bucket.take()
}
