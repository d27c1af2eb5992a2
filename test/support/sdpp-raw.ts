import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Stream } from '@libp2p/interface'
import { CID } from 'multiformats/cid'
import { due, joinRecords, NO_PROGRESS, type Progress, recordEnds } from '../../src/interface/index.ts'
import { advance, type SessionTerms } from '../../src/protocols/sdpp/account.ts'
import { encodeData } from '../../src/protocols/sdpp/data-frame.ts'
import { Deframer } from '../../src/protocols/sdpp/frame.ts'
import { decodeMessage, encodePlain, encodeSigned, type Message } from '../../src/protocols/sdpp/messages.ts'
import { offerPriceOf, sessionTerms } from '../../src/protocols/sdpp/negotiation.ts'
import {
  type CheckedStatement,
  type StatementFields,
  type StatementSigner,
  signStatement,
  Transcript
} from '../../src/statements/index.ts'
import { openStreams, type Pair, serve, until } from './sdpp.ts'

/** One end of a stream in the hands of a test: sends any bytes, reads what the session under test answers. */
export class RawPeer {
  readonly stream: Stream
  readonly seen: Message[] = []
  #unread: Message[] = []
  #ended = false
  #wake: (() => void) | undefined

  constructor(stream: Stream) {
    this.stream = stream
    const deframer = new Deframer((kind, body) => {
      const message = decodeMessage(kind, body.slice())
      this.seen.push(message)
      if (message.name !== 'PING') this.#unread.push(message)
      this.#wake?.()
    })
    stream.addEventListener('message', ({ data }) => {
      for (const chunk of data instanceof Uint8Array ? [data] : data) deframer.push(chunk)
    })
    const end = (): void => {
      this.#ended = true
      this.#wake?.()
    }
    stream.addEventListener('remoteCloseWrite', end)
    stream.addEventListener('close', end)
  }

  get ended(): boolean {
    return this.#ended
  }

  send(...frames: Uint8Array[]): void {
    for (const frame of frames) this.stream.send(frame)
  }

  /** The next message, which must have this name. */
  async next<N extends Message['name']>(name: N): Promise<Extract<Message, { name: N }>> {
    await this.#wait(() => this.#unread.length > 0, name)
    const message = this.#unread.shift()
    const text = message?.name === 'STATUS' ? `${message.content.code} ${message.content.text}` : message?.name
    assert.equal(message?.name, name, `expected ${name}, got ${text}`)
    return message as Extract<Message, { name: N }>
  }

  /** Skips what came before; resolves with the code of the STATUS. */
  async status(): Promise<number> {
    const at = (): number => this.#unread.findIndex(({ name }) => name === 'STATUS')
    await this.#wait(() => at() !== -1, 'STATUS')
    const message = this.#unread.splice(0, at() + 1).at(-1)
    assert.ok(message?.name === 'STATUS')
    return Number(message.content.code)
  }

  async end(): Promise<void> {
    await this.#wait(() => this.#ended, 'the end of the stream', true)
  }

  async #wait(condition: () => boolean, what: string, endIsFine = false): Promise<void> {
    const timer = setTimeout(() => this.#wake?.(), 3_000)
    const start = performance.now()
    while (!condition()) {
      if (this.#ended && !endIsFine) throw new Error(`the stream ended before ${what}`)
      if (performance.now() - start > 2_900) throw new Error(`${what} did not come`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    clearTimeout(timer)
  }
}

/** A buyer played by hand. */
export class RawBuyer extends RawPeer {
  readonly pair: Pair
  readonly nonce = randomBytes(16)
  readonly signer: StatementSigner
  offer: CheckedStatement<'offer'> | undefined
  session: CID | undefined

  constructor(pair: Pair, stream: Stream, signer = pair.buyerSigner) {
    super(stream)
    this.pair = pair
    this.signer = signer
  }

  async hello(fields: { listing?: CID; after?: bigint; versions?: bigint[] } = {}): Promise<void> {
    const listing = CID.parse(this.pair.listing.cid)
    this.send(encodePlain('HELLO', { versions: [2n], nonce: this.nonce, pay: [{ rail: 'evm' }], listing, ...fields }))
    this.offer = (await this.next('OFFER')).statement
  }

  makeOrder(fields: Partial<StatementFields<'order'>> = {}): CheckedStatement<'order'> {
    const offer = this.offer as CheckedStatement<'offer'>
    const defaults: StatementFields<'order'> = {
      offer: offer.link,
      nonce: randomBytes(16),
      price: 0n,
      rail: 'evm',
      from: { offset: 0n },
      k: 10n,
      prepay: 0n,
      maximum: 10n ** 9n
    }
    return signStatement(this.signer, 'order', { ...defaults, ...fields }, 0)
  }

  async order(fields: Partial<StatementFields<'order'>> = {}): Promise<CheckedStatement<'accept'>> {
    const order = this.makeOrder(fields)
    this.session = order.link
    this.send(encodeSigned('ORDER', order))
    return (await this.next('ACCEPT')).statement
  }

  pay(sessionPaid: bigint, voucher: bigint | undefined = sessionPaid, n = 0n): void {
    const payload = {
      channelId: `0x${'11'.repeat(32)}`,
      maxClaimableAmount: voucher,
      signature: `0x${'22'.repeat(65)}`
    } as const
    this.send(encodePlain('PAYMENT', { n, sessionPaid, payload }))
  }
}

/** A seller played by hand: honest unless told otherwise. */
export class RawSeller extends RawPeer {
  readonly pair: Pair
  readonly signer: StatementSigner
  nonce = new Uint8Array(16)
  progress: Progress = NO_PROGRESS
  transcript: Transcript | undefined
  terms: SessionTerms | undefined
  offered: CheckedStatement<'offer'> | undefined
  ordered: CheckedStatement<'order'> | undefined

  constructor(pair: Pair, stream: Stream, signer = pair.sellerSigner) {
    super(stream)
    this.pair = pair
    this.signer = signer
  }

  async hello(): Promise<void> {
    this.nonce = new Uint8Array((await this.next('HELLO')).content.nonce)
  }

  offer(fields: Partial<StatementFields<'offer'>> = {}, signer = this.signer): void {
    const { listing, buyerSigner, product, log } = this.pair
    const [payment] = listing.document.payment
    assert.ok(payment !== undefined)
    const { amount, count, unit } = payment.price
    const terms = { rail: 'evm', price: { amount: BigInt(amount), count: BigInt(count), unit } } as const
    const defaults: StatementFields<'offer'> = {
      listing: CID.parse(listing.cid),
      listingId: listing.id,
      version: BigInt(listing.version),
      buyer: buyerSigner.peerId,
      nonce: this.nonce,
      prices: [offerPriceOf(terms, product.credit)],
      k: product.k,
      epoch: log.epoch,
      tail: 0n,
      head: 1_000_000n,
      finished: true,
      maxRecordBytes: 1024n,
      resumeTtl: 0n,
      ttl: 120n
    }
    this.offered = signStatement(signer, 'offer', { ...defaults, ...fields }, 0)
    this.send(encodeSigned('OFFER', this.offered))
  }

  async accept(fields: Partial<StatementFields<'accept'>> = {}, signer = this.signer): Promise<void> {
    this.ordered ??= (await this.next('ORDER')).statement
    const offer = this.offered as CheckedStatement<'offer'>
    const order = this.ordered
    const entry = offer.content.prices[0]
    assert.ok(entry !== undefined)
    const defaults: StatementFields<'accept'> = {
      session: order.link,
      start: order.content.from.offset ?? 0n,
      epoch: offer.content.epoch,
      k: order.content.k,
      credit: entry.credit,
      ahead: 0n
    }
    const content = { ...defaults, ...fields }
    this.terms = sessionTerms(entry, offer.content, order.content, content)
    this.transcript = new Transcript(order.link.bytes)
    this.send(encodeSigned('ACCEPT', signStatement(signer, 'accept', content, 0)))
  }

  /** HELLO … ACCEPT without anything wrong. */
  async begin(fields: Partial<StatementFields<'accept'>> = {}): Promise<void> {
    await this.hello()
    this.offer()
    await this.accept(fields)
  }

  /** One whole block per call. */
  data(records: Uint8Array[]): void {
    const terms = this.terms as SessionTerms
    const first = terms.start + this.progress.n
    const bytes = joinRecords(records)
    const block = { first, count: records.length, ends: recordEnds(bytes, records.length) }
    this.progress = advance(terms, this.progress, block, 0, records.length)
    this.transcript?.add(first, records.length, bytes, true)
    this.send(encodeData({ blockStart: first, first, count: records.length, endOfBlock: true, bytes }))
  }

  get totals(): { session: CID; n: bigint; bytes: bigint; due: bigint; credited: bigint; root: Uint8Array } {
    return {
      session: (this.ordered as CheckedStatement<'order'>).link,
      n: this.progress.n,
      bytes: this.progress.bytes,
      due: due((this.terms as SessionTerms).price, this.progress),
      credited: 0n,
      root: (this.transcript as Transcript).root()
    }
  }

  invoice(fields: Partial<StatementFields<'invoice'>> = {}, signer = this.signer): void {
    this.send(encodeSigned('INVOICE', signStatement(signer, 'invoice', { ...this.totals, ...fields }, 0)))
  }

  close(reason = 2n): void {
    this.send(encodePlain('CLOSE', { reason, n: this.progress.n }))
  }

  receipt(fields: Partial<StatementFields<'receipt'>> = {}, signer = this.signer): void {
    const content = { ...this.totals, unused: 0n, reason: 2n, ...fields }
    this.send(encodeSigned('RECEIPT', signStatement(signer, 'receipt', content, 0)))
  }
}

/** A session whose buyer has 100 records on credit and has paid none: with the usual terms of a pair, a whole window. */
export async function fillWindow(pair: Pair, options: Parameters<typeof serve>[2] = {}) {
  const [outbound, inbound] = await openStreams()
  const { session: selling, done } = serve(pair, inbound, options)
  const buyer = new RawBuyer(pair, outbound)
  await buyer.hello()
  await buyer.order()
  await until('the window is full', () => selling.status.sent === 100n)
  return { outbound, buyer, selling, done }
}
