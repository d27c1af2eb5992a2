import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import {
  CLOSE_REASON,
  readSession,
  SDPP_PROTOCOL,
  type Seller,
  type SellerInit,
  type SellerSessionStatus,
  sdppSeller
} from '../../../src/protocols/sdpp/index.ts'
import {
  jsonRecords,
  ManualClock,
  makeBuyer,
  makePair,
  openStreams,
  type Pair,
  silent,
  until
} from '../../support/sdpp.ts'

type Handler = (stream: Stream, connection: Connection) => void

/** A seller on a registrar that is one map. */
function serviceOf(
  pair: Pair,
  init: SellerInit = {}
): {
  seller: Seller
  clock: ManualClock
  handlers: Map<string, Handler>
  ended: SellerSessionStatus[]
} {
  const handlers = new Map<string, Handler>()
  const ended: SellerSessionStatus[] = []
  const clock = new ManualClock()
  const seller = sdppSeller({ clock, onSessionEnd: (status) => ended.push(status), ...init })({
    registrar: {
      handle: async (protocol, handler) => {
        handlers.set(protocol, handler)
      },
      unhandle: async (protocol) => {
        handlers.delete(protocol)
      }
    },
    signer: pair.sellerSigner,
    catalog: { products: () => [pair.product] },
    sessions: pair.sellerLedger.sessions,
    logger: silent
  })
  return { seller, clock, handlers, ended }
}

test('it serves streams from start to stop, and stops by settling what is open', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(10))
  const { seller, handlers, ended } = serviceOf(pair)
  await seller.start()
  const [outbound, inbound] = await openStreams()
  const connection = { remotePeer: peerIdFromString(pair.buyerSigner.peerId) } as Connection
  handlers.get(SDPP_PROTOCOL)?.(inbound, connection)
  const buyer = makeBuyer(pair, outbound, { wish: { from: { offset: 0n }, prepay: 0n, maximum: 10_000n } })
  await buyer.open()
  await until('all was received', () => buyer.status.received === 10n)
  assert.equal(seller.sessions()[0]?.buyer, pair.buyerSigner.peerId)
  const id = buyer.status.id as string
  assert.deepEqual([seller.serves(id), seller.serves(`${id}x`)], [true, false])
  await seller.stop()
  assert.equal(seller.serves(id), false)
  const outcome = await buyer.done
  assert.deepEqual([outcome.reason, outcome.paid], [CLOSE_REASON.shuttingDown, 1_000n])
  assert.equal(handlers.size, 0)
  assert.deepEqual(seller.sessions(), [])
  assert.deepEqual(
    ended.map(({ phase, credited }) => [phase, credited]),
    [['closed', 1_000n]]
  )
  await seller.stop()
})

test('stop does not wait for ever for a buyer who says nothing', async (t) => {
  const pair = await makePair(t)
  const { seller, clock, handlers } = serviceOf(pair)
  await seller.start()
  const [outbound, inbound] = await openStreams()
  const connection = { remotePeer: peerIdFromString(pair.buyerSigner.peerId) } as Connection
  handlers.get(SDPP_PROTOCOL)?.(inbound, connection)
  await pair.log.append(jsonRecords(1))
  const buyer = makeBuyer(
    pair,
    outbound,
    { wish: { from: { offset: 0n }, prepay: 0n, maximum: 10_000n } },
    {
      payer: {
        rail: 'evm',
        capabilities: () => [{ rail: 'evm' }],
        objection: () => undefined,
        open: () => new Promise(() => {}),
        resume: () => new Promise(() => {})
      }
    }
  )
  buyer.open().catch(() => {})
  await until('the offer was made', () => seller.sessions()[0]?.phase === 'offered')
  const stopped = seller.stop(5_000)
  await new Promise((resolve) => setTimeout(resolve, 5))
  clock.advance(5_000)
  await stopped
  await assert.rejects(buyer.done, /shutting down/)
})

test('a RESUME waits for what gives the session up, and finds it as that left it', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(10))
  const { sessions } = pair.sellerLedger
  const released: string[] = []
  const { seller, handlers, ended } = serviceOf(pair, {
    release: async (id) => {
      released.push(id)
      const record = await sessions.get(id, 'seller')
      assert.ok(record !== undefined)
      assert.equal(seller.serves(id), true)
      await sessions.put({ ...record, state: 'abandoned' })
    }
  })
  await seller.start()
  const connection = { remotePeer: peerIdFromString(pair.buyerSigner.peerId) } as Connection
  const wish = { from: { offset: 0n }, prepay: 0n, maximum: 10_000n }
  const [outbound, inbound] = await openStreams()
  handlers.get(SDPP_PROTOCOL)?.(inbound, connection)
  const buyer = makeBuyer(pair, outbound, { wish })
  await buyer.open()
  const id = buyer.status.id as string
  outbound.abort(new Error('cable cut'))
  await Promise.allSettled([buyer.done, buyer.settled])
  await until('the seller has noticed', () => ended.length === 1)
  const stored = await readSession(pair.buyerLedger.sessions, id, 'buyer')
  assert.ok(stored !== undefined)
  const [again, other] = await openStreams()
  handlers.get(SDPP_PROTOCOL)?.(other, connection)
  await assert.rejects(makeBuyer(pair, again, { wish, resume: { stored } }).open(), /abandoned/)
  assert.deepEqual(released, [id])
  await seller.stop()
})
