import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { CID } from 'multiformats/cid'
import { PAYMENT_TIMEOUT_MS, RECEIPT_TIMEOUT_MS } from '../../../src/protocols/sdpp/constants.ts'
import { encodeData } from '../../../src/protocols/sdpp/data-frame.ts'
import { encodeFrame, FRAME } from '../../../src/protocols/sdpp/frame.ts'
import { SdppError, STATUS } from '../../../src/protocols/sdpp/index.ts'
import { encodePlain, encodeSigned } from '../../../src/protocols/sdpp/messages.ts'
import { SellerNegotiation } from '../../../src/protocols/sdpp/seller-negotiation.ts'
import type { SellerSession } from '../../../src/protocols/sdpp/seller-session.ts'
import { encodeCanonical, signStatement, statementLink } from '../../../src/statements/index.ts'
import {
  countingPayee,
  jsonRecords,
  ManualClock,
  makePair,
  makeSigner,
  openStreams,
  type PairOptions,
  serve,
  silent,
  until
} from '../../support/sdpp.ts'
import { RawBuyer } from '../../support/sdpp-raw.ts'

interface Table {
  buyer: RawBuyer
  seller: SellerSession
  done: Promise<void>
  clock: ManualClock
  ended: Array<[due: bigint, credited: bigint]>
  /** How often the rail was told to wait for the session to be taken up again. */
  suspensions: () => number
  pair: Awaited<ReturnType<typeof makePair>>
}

/** A real seller and, on the other side, a buyer who does as the test says. */
async function sitDown(t: TestContext, options: PairOptions = {}): Promise<Table> {
  const ended: Array<[bigint, bigint]> = []
  let suspended = 0
  const payee = countingPayee(10n ** 12n, {
    suspend: async () => {
      suspended++
    },
    end: async (due, credited) => {
      ended.push([due, credited])
      return undefined
    }
  })
  const pair = await makePair(t, { payee, ...options })
  await pair.log.append(jsonRecords(1_000))
  const [outbound, inbound] = await openStreams()
  const clock = new ManualClock()
  const { session, done } = serve(pair, inbound, { clock })
  return {
    buyer: new RawBuyer(pair, outbound),
    seller: session,
    done,
    clock,
    ended,
    suspensions: () => suspended,
    pair
  }
}

/** How far the session goes before the buyer does something wrong. */
const PHASES: Record<string, (table: Table) => Promise<void>> = {
  listening: async () => {},
  offered: ({ buyer }) => buyer.hello(),
  streaming: async ({ buyer, seller }) => {
    await buyer.hello()
    await buyer.order()
    await until('the window is full', () => seller.status.sent === 100n)
  },
  settling: async ({ buyer, seller }) => {
    await buyer.hello()
    await buyer.order()
    await until('the window is full', () => seller.status.sent === 100n)
    buyer.send(encodePlain('CLOSE', { reason: 1n, n: 0n }))
    await until('it settles', () => seller.status.phase === 'settling')
  },
  receipted: async ({ buyer, seller }) => {
    await buyer.hello()
    await buyer.order({ quantity: 10n })
    await until('it settles', () => seller.status.phase === 'settling')
    buyer.pay(1_000n)
    await until('the receipt is given', () => seller.status.phase === 'receipted')
  }
}

const JUNK: Array<[string, () => Uint8Array, number]> = [
  ['garbage', () => new TextEncoder().encode('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), STATUS.tooLarge],
  ['an unknown kind', () => encodeFrame(0x10, new Uint8Array(3)), STATUS.unexpected],
  ['a frame of length 0', () => new Uint8Array(5), STATUS.malformed],
  ['a claim of 2^31 bytes', () => new Uint8Array([0x80, 0, 0, 0, FRAME.PAYMENT, 1, 2, 3]), STATUS.tooLarge],
  ['an oversized control frame', () => encodeFrame(FRAME.PING, new Uint8Array(65_537)), STATUS.tooLarge],
  ['a control frame that is no DAG-CBOR', () => encodeFrame(FRAME.CLOSE, new Uint8Array([0xff])), STATUS.malformed],
  [
    'a non-canonical frame',
    () => encodeFrame(FRAME.POSITION, Uint8Array.from(Buffer.from('a1616e1801', 'hex'))),
    STATUS.malformed
  ],
  ['a field of the wrong type', () => encodeFrame(FRAME.POSITION, encodeCanonical({ n: 'x' })), STATUS.malformed],
  ['an empty body', () => encodeFrame(FRAME.CLOSE), STATUS.malformed],
  ['an ORDER shorter than a signature', () => encodeFrame(FRAME.ORDER, new Uint8Array(63)), STATUS.malformed],
  ['DATA cut short', () => encodeFrame(FRAME.DATA, new Uint8Array(5)), STATUS.malformed],
  [
    'DATA, which only sellers send',
    () => encodeData({ blockStart: 0n, first: 0n, count: 1, endOfBlock: true, bytes: new Uint8Array(4) }),
    STATUS.unexpected
  ],
  [
    'a nesting bomb',
    () => encodeFrame(FRAME.PING, Uint8Array.from([...new Array(60_000).fill(0x81), 0])),
    STATUS.malformed
  ]
]

for (const [phase, reach] of Object.entries(PHASES)) {
  for (const [what, frame, code] of JUNK) {
    test(`${what} while ${phase}: status ${code}, the session ends, nothing credited is lost`, async (t) => {
      const table = await sitDown(t)
      await reach(table)
      const paid = phase === 'streaming' ? 2_000n : 0n
      if (paid > 0n) {
        table.buyer.pay(paid)
        await until('it is credited', () => table.seller.status.credited === paid)
      }
      table.buyer.send(frame())
      assert.equal(await table.buyer.status(), code)
      table.clock.advance(100)
      await table.buyer.end()
      await table.done
      const { id, due, credited } = table.seller.status
      if (id === undefined) return assert.deepEqual([table.ended, table.suspensions()], [[], 0])
      // Only a receipt ends it: the buyer may take it up again and pay.
      const receipted = phase === 'receipted'
      assert.deepEqual(table.ended, receipted ? [[due, credited]] : [])
      assert.equal(table.suspensions(), receipted ? 0 : 1)
      const { sessions } = table.pair.sellerLedger
      const record = await sessions.get(id, 'seller')
      assert.deepEqual([record?.state, record?.due, record?.paid], [receipted ? 'closed' : 'suspended', due, credited])
      const kinds = (await sessions.statements(id, 'seller')).map(({ kind }) => kind)
      for (const kind of ['offer', 'order', 'accept', 'invoice']) assert.ok(kinds.includes(kind), kind)
    })
  }

  test(`a stream that ends inside a frame while ${phase} is noticed`, async (t) => {
    const table = await sitDown(t)
    await reach(table)
    table.buyer.send(encodePlain('CLOSE', { reason: 1n, n: 0n }).subarray(0, 7))
    await table.buyer.stream.close()
    await table.done
    assert.ok(['failed', 'closed'].includes(table.seller.status.phase))
  })

  test(`kinds from 0x80 on are ignored while ${phase}`, async (t) => {
    const table = await sitDown(t)
    await reach(table)
    const before = table.seller.status.phase
    table.buyer.send(encodeFrame(0x80, new Uint8Array([1, 2])), encodeFrame(0xff), encodePlain('PING', {}))
    await new Promise((resolve) => setTimeout(resolve, 10))
    assert.equal(table.seller.status.phase, before)
    assert.equal(table.buyer.ended, false)
    table.buyer.stream.abort(new Error('test over'))
    await table.done
  })
}

test('out of order: each frame of a buyer where it does not belong is unexpected', async (t) => {
  const cases: Array<[phase: string, frame: (table: Table) => Uint8Array]> = [
    ['listening', ({ buyer }) => encodeSigned('ORDER', { payload: order(buyer), signature: new Uint8Array(64) })],
    ['listening', () => encodePlain('PAYMENT', { n: 0n, sessionPaid: 1n })],
    ['listening', () => encodePlain('POSITION', { n: 0n })],
    ['offered', ({ buyer }) => encodePlain('HELLO', { versions: [2n], nonce: buyer.nonce, pay: [] })],
    ['offered', () => encodePlain('PAYMENT', { n: 0n, sessionPaid: 1n })],
    [
      'offered',
      ({ buyer }) =>
        encodePlain('RESUME', { session: buyer.offer?.link as CID, position: 0n, root: randomBytes(32), paid: 0n })
    ],
    ['streaming', ({ buyer }) => encodePlain('HELLO', { versions: [2n], nonce: buyer.nonce, pay: [] })],
    ['streaming', ({ buyer }) => encodeSigned('ORDER', buyer.makeOrder())],
    ['streaming', () => encodePlain('POSITION', { n: 101n })],
    ['streaming', () => encodePlain('PAYMENT', { n: 101n, sessionPaid: 1n })],
    ['settling', ({ buyer }) => acknowledgement(buyer)],
    ['receipted', ({ buyer }) => acknowledgement(buyer)],
    ['receipted', ({ buyer }) => encodeSigned('ORDER', buyer.makeOrder())]
  ]
  function acknowledgement(buyer: RawBuyer): Uint8Array {
    const fields = { session: buyer.session as CID, receipt: statementLink(new Uint8Array([1])) }
    return encodeSigned('RECEIPT_ACK', signStatement(buyer.signer, 'receipt-ack', fields, 0))
  }
  function order(buyer: RawBuyer): Uint8Array {
    const offer = statementLink(new Uint8Array([1]))
    const fields = {
      offer,
      nonce: buyer.nonce,
      price: 0n,
      rail: 'evm',
      from: {},
      k: 1n,
      prepay: 0n,
      maximum: 0n
    } as const
    return signStatement(buyer.signer, 'order', fields, 0).payload
  }
  for (const [phase, frame] of cases) {
    const table = await sitDown(t)
    await PHASES[phase]?.(table)
    table.buyer.send(frame(table))
    assert.equal(await table.buyer.status(), STATUS.unexpected, phase)
    table.clock.advance(100)
    await table.done
  }
})

test('two HELLOs or two ORDERs in one write: the second is unexpected', async (t) => {
  const first = await sitDown(t)
  const listing = CID.parse(first.pair.listing.cid)
  const hello = encodePlain('HELLO', { versions: [2n], nonce: first.buyer.nonce, pay: [{ rail: 'evm' }], listing })
  first.buyer.send(Buffer.concat([hello, hello]))
  assert.equal(await first.buyer.status(), STATUS.unexpected)
  const second = await sitDown(t)
  await second.buyer.hello()
  const order = encodeSigned('ORDER', second.buyer.makeOrder())
  second.buyer.send(Buffer.concat([order, order]))
  assert.equal(await second.buyer.status(), STATUS.unexpected)
  second.clock.advance(100)
  await second.done
  await until('the channel session was given back', () => second.ended.length === 1)
  assert.deepEqual(second.ended, [[0n, 0n]])
})

const REFUSED_HELLOS: Array<[string, object, number]> = [
  ['an unknown listing', { listing: statementLink(new Uint8Array([7])) }, STATUS.unknownListing],
  ['another version', { versions: [1n, 3n] }, STATUS.versionUnsupported],
  ['no common rail', { pay: [{ rail: 'free' }] }, STATUS.noCommonRail]
]

for (const [what, fields, code] of REFUSED_HELLOS) {
  test(`HELLO with ${what}: ${code}`, async (t) => {
    const table = await sitDown(t)
    const listing = CID.parse(table.pair.listing.cid)
    const hello = { versions: [2n], nonce: table.buyer.nonce, pay: [{ rail: 'evm' as const }], listing, ...fields }
    table.buyer.send(encodePlain('HELLO', hello))
    assert.equal(await table.buyer.status(), code)
  })
}

test('RESUME of a session that this seller does not know is refused', async (t) => {
  const table = await sitDown(t)
  const session = statementLink(new Uint8Array([7]))
  table.buyer.send(encodePlain('RESUME', { session, position: 3n, root: new Uint8Array(32), paid: 0n }))
  assert.equal(await table.buyer.status(), STATUS.unknownSession)
  await table.done
  assert.equal(table.seller.status.phase, 'closed')
})

const BAD_ORDERS: Array<[string, Parameters<RawBuyer['makeOrder']>[0], number]> = [
  ['for another offer', { offer: statementLink(new Uint8Array([1])) }, STATUS.offerExpired],
  ['for a price that was not offered', { price: 1n }, STATUS.termsOutsideOffer],
  ['for price 2^64 − 1', { price: (1n << 64n) - 1n }, STATUS.termsOutsideOffer],
  ['on another rail', { rail: 'free' }, STATUS.termsOutsideOffer],
  ['with k below the offer', { k: 0n }, STATUS.termsOutsideOffer],
  ['with k above the offer', { k: 1_001n }, STATUS.termsOutsideOffer],
  ['from nowhere', { from: {} }, STATUS.malformed],
  ['from two places', { from: { offset: 1n, live: true } }, STATUS.malformed],
  ['from an offset after the head', { from: { offset: 1_001n } }, STATUS.offsetPruned],
  ['from offset 2^64 − 1', { from: { offset: (1n << 64n) - 1n } }, STATUS.offsetPruned]
]

for (const [what, fields, code] of BAD_ORDERS) {
  test(`an order ${what}: ${code}`, async (t) => {
    const table = await sitDown(t)
    await table.buyer.hello()
    table.buyer.send(encodeSigned('ORDER', table.buyer.makeOrder(fields)))
    assert.equal(await table.buyer.status(), code)
    table.clock.advance(100)
    await table.done
    assert.deepEqual(table.ended, [])
  })
}

test('limits that do not cover one record are refused with both numbers', async (t) => {
  const { buyer } = await sitDown(t, { credit: 30n })
  await buyer.hello()
  buyer.send(encodeSigned('ORDER', buyer.makeOrder({ prepay: 69n })))
  assert.equal(await buyer.status(), STATUS.limitsIncompatible)
  const status = buyer.seen.at(-1)
  assert.ok(status?.name === 'STATUS')
  assert.deepEqual(status.content.details, { have: '99', need: '100' })
})

test('an offer expires by the monotonic clock', async (t) => {
  const { buyer, clock, pair } = await sitDown(t)
  const negotiation = new SellerNegotiation({
    buyer: buyer.signer.peerId,
    signer: pair.sellerSigner,
    products: () => [pair.product],
    sessions: pair.sellerLedger.sessions,
    clock,
    logger: silent
  })
  const hello = { versions: [2n], nonce: buyer.nonce, pay: [{ rail: 'evm' as const }] }
  const answer = await negotiation.hello({ ...hello, listing: CID.parse(pair.listing.cid) })
  assert.ok(answer.name === 'OFFER')
  buyer.offer = answer.statement
  clock.advance(Number(answer.statement.content.ttl) * 1_000)
  await negotiation.order(buyer.makeOrder(), AbortSignal.timeout(1_000))
  clock.advance(1)
  await assert.rejects(
    negotiation.order(buyer.makeOrder(), AbortSignal.timeout(1_000)),
    (error: unknown) => error instanceof SdppError && error.code === STATUS.offerExpired
  )
})

test('an order for the offer of another stream is refused, even in the same millisecond with the same nonce', async (t) => {
  const { buyer, pair, clock } = await sitDown(t)
  await buyer.hello()
  const [outbound, inbound] = await openStreams()
  serve(pair, inbound, { clock })
  const twin = new RawBuyer(pair, outbound)
  Object.assign(twin, { nonce: buyer.nonce })
  await twin.hello()
  assert.notEqual(twin.offer?.cid, buyer.offer?.cid)
  const order = buyer.makeOrder()
  buyer.send(encodeSigned('ORDER', order))
  await buyer.next('ACCEPT')
  twin.send(encodeSigned('ORDER', order))
  assert.equal(await twin.status(), STATUS.offerExpired)
})

test('a wrong signer: an order of another peer, and one whose signature is false', async (t) => {
  const stranger = await makeSigner()
  const first = await sitDown(t)
  await first.buyer.hello()
  const order = first.buyer.makeOrder()
  const foreign = signStatement(stranger, 'order', order.content, 0)
  first.buyer.send(encodeSigned('ORDER', foreign))
  assert.equal(await first.buyer.status(), STATUS.badSignature)
  const second = await sitDown(t)
  await second.buyer.hello()
  const { payload } = second.buyer.makeOrder()
  second.buyer.send(encodeSigned('ORDER', { payload, signature: randomBytes(64) }))
  assert.equal(await second.buyer.status(), STATUS.badSignature)
})

test('a receipt acknowledged by another peer is not acknowledged', async (t) => {
  const stranger = await makeSigner()
  const table = await sitDown(t)
  await PHASES.receipted?.(table)
  await until('the receipt came', () => table.buyer.seen.some(({ name }) => name === 'RECEIPT'))
  const receipt = table.buyer.seen.find(({ name }) => name === 'RECEIPT')
  assert.ok(receipt?.name === 'RECEIPT')
  const fields = { session: table.buyer.session as CID, receipt: receipt.statement.link }
  table.buyer.send(encodeSigned('RECEIPT_ACK', signStatement(stranger, 'receipt-ack', fields, 0)))
  assert.equal(await table.buyer.status(), STATUS.badSignature)
})

test('a bad voucher: refused with the reason of the rail, what was credited before stays', async (t) => {
  const table = await sitDown(t)
  await PHASES.streaming?.(table)
  table.buyer.pay(1_000n)
  await until('it is credited', () => table.seller.status.credited === 1_000n)
  table.buyer.pay(2_000n, 1_999n)
  assert.equal(await table.buyer.status(), STATUS.paymentInvalid)
  table.clock.advance(100)
  await table.done
  assert.deepEqual([table.ended, table.suspensions()], [[], 1])
  const { id, due, credited } = table.seller.status
  const record = await table.pair.sellerLedger.sessions.get(id as string, 'seller')
  assert.equal(credited, 1_000n)
  assert.deepEqual([record?.state, record?.due, record?.paid], ['suspended', due, 1_000n])
})

test('a payment without voucher, or above the maximum of the order, is invalid', async (t) => {
  const without = await sitDown(t)
  await PHASES.streaming?.(without)
  without.buyer.send(encodePlain('PAYMENT', { n: 0n, sessionPaid: 1n }))
  assert.equal(await without.buyer.status(), STATUS.paymentInvalid)
  const above = await sitDown(t)
  await PHASES.streaming?.(above)
  above.buyer.pay(10n ** 9n + 1n)
  assert.equal(await above.buyer.status(), STATUS.paymentInvalid)
})

test('paying too little, or never: a status after 20 s, at most the window is lost', async (t) => {
  for (const paid of [0n, 10n]) {
    const table = await sitDown(t)
    await PHASES.streaming?.(table)
    if (paid > 0n) {
      table.buyer.pay(paid)
      await until('it is credited', () => table.seller.status.credited === paid)
    }
    table.clock.advance(PAYMENT_TIMEOUT_MS - 1)
    assert.equal(table.buyer.seen.at(-1)?.name === 'STATUS', false)
    table.clock.advance(1)
    assert.equal(await table.buyer.status(), STATUS.paymentTimeout)
    table.clock.advance(100)
    await table.done
    const { due, credited } = table.seller.status
    assert.equal(credited, paid)
    assert.ok(due - credited <= 10_000n)
    assert.deepEqual([table.ended, table.suspensions()], [[], 1])
  }
})

test('not paying the last invoice: the receipt says so, and it ends without RECEIPT_ACK too', async (t) => {
  const table = await sitDown(t)
  await PHASES.settling?.(table)
  table.clock.advance(PAYMENT_TIMEOUT_MS)
  await until('the receipt came', () => table.buyer.seen.some(({ name }) => name === 'RECEIPT'))
  const receipt = table.buyer.seen.find(({ name }) => name === 'RECEIPT')
  assert.ok(receipt?.name === 'RECEIPT')
  assert.deepEqual([receipt.statement.content.due, receipt.statement.content.credited], [10_000n, 0n])
  table.buyer.send(encodePlain('PING', {}))
  table.clock.advance(RECEIPT_TIMEOUT_MS)
  await table.done
  assert.equal(table.seller.status.phase, 'closed')
})

test('a voucher that came just before the stream broke is kept and counted', async (t) => {
  let store = (): void => {}
  const ended: Array<[bigint, bigint]> = []
  let suspended = 0
  const payee = countingPayee(10n ** 12n, {
    credit: () => new Promise((resolve) => (store = resolve)),
    suspend: async () => {
      suspended++
    },
    end: async (due, credited) => {
      ended.push([due, credited])
      return undefined
    }
  })
  const table = await sitDown(t, { payee })
  await PHASES.streaming?.(table)
  table.buyer.pay(5_000n)
  await new Promise((resolve) => setTimeout(resolve, 10))
  table.buyer.stream.abort(new Error('cable cut'))
  await until('the end was noticed', () => table.seller.status.phase === 'failed')
  assert.equal(suspended, 0, 'not before the voucher is stored')
  store()
  await table.done
  assert.deepEqual([ended, suspended], [[], 1])
  const record = await table.pair.sellerLedger.sessions.get(table.seller.status.id as string, 'seller')
  assert.deepEqual([record?.state, record?.due, record?.paid], ['suspended', 10_000n, 5_000n])
})

test('a buyer who leaves while his order is checked leaves nothing open', async (t) => {
  let accept = (): void => {}
  const base = countingPayee(10n ** 12n)
  const ended: Array<[bigint, bigint]> = []
  const payee = {
    ...base,
    accept: async (...args: Parameters<typeof base.accept>) => {
      await new Promise<void>((resolve) => (accept = resolve))
      const session = await base.accept(...args)
      return {
        ...session,
        end: async (due: bigint, credited: bigint) => {
          ended.push([due, credited])
          return undefined
        }
      }
    }
  }
  const table = await sitDown(t, { payee })
  await table.buyer.hello()
  table.buyer.send(encodeSigned('ORDER', table.buyer.makeOrder()))
  await until('it is verifying', () => table.seller.status.phase === 'verifying')
  table.buyer.send(encodePlain('CLOSE', { reason: 1n, n: 0n }))
  await table.buyer.end()
  accept()
  // Over is it only then: nobody resumes it before.
  await table.done
  assert.deepEqual(ended, [[0n, 0n]])
  assert.equal(table.seller.status.phase, 'closed')
})

test('silence: PING after 15 s, gone after 45 s; pings keep it open', async (t) => {
  const table = await sitDown(t)
  await PHASES.streaming?.(table)
  table.buyer.pay(10_000n)
  await until('all is paid that was asked', () => table.seller.status.credited === 10_000n)
  table.buyer.send(encodePlain('CLOSE', { reason: 1n, n: 0n }))
  const idle = await sitDown(t)
  await idle.buyer.hello()
  idle.clock.advance(15_000)
  await until('a PING came', () => idle.buyer.seen.some(({ name }) => name === 'PING'))
  idle.clock.advance(29_999)
  assert.equal(idle.seller.status.phase, 'offered')
  idle.clock.advance(1)
  assert.equal(await idle.buyer.status(), STATUS.timeout)
})

test('timers of each phase: HELLO and ORDER must come', async (t) => {
  const listening = await sitDown(t)
  listening.clock.advance(10_000)
  assert.equal(await listening.buyer.status(), STATUS.timeout)
  const offered = await sitDown(t)
  await offered.buyer.hello()
  for (let second = 0; second < 60; second += 10) {
    offered.buyer.send(encodePlain('PING', {}))
    await new Promise((resolve) => setTimeout(resolve, 2))
    offered.clock.advance(10_000)
  }
  assert.equal(await offered.buyer.status(), STATUS.timeout)
})

test('topping up gives the buyer more time to pay, once', async (t) => {
  const table = await sitDown(t)
  await PHASES.streaming?.(table)
  table.buyer.send(encodePlain('STATUS', { code: BigInt(STATUS.toppingUp), text: '' }))
  await new Promise((resolve) => setTimeout(resolve, 5))
  table.clock.advance(PAYMENT_TIMEOUT_MS + 1_000)
  table.buyer.pay(10_000n)
  await until('it is credited', () => table.seller.status.credited === 10_000n)
  assert.equal(table.seller.status.phase, 'streaming')
})
