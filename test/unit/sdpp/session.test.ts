import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { joinRecords, MAX_RECORD_BYTES } from '../../../src/interface/index.ts'
import { MAX_IN_FLIGHT_BYTES } from '../../../src/protocols/sdpp/constants.ts'
import {
  type BuyerOutcome,
  type BuyerSession,
  CLOSE_REASON,
  type OrderWish
} from '../../../src/protocols/sdpp/index.ts'
import { readAnyStatement, transcriptStart, transcriptStep, verifyStatement } from '../../../src/statements/index.ts'
import {
  buyFrom,
  countingPayee,
  countingPayer,
  jsonRecords,
  makeBuyer,
  makePair,
  makeSigner,
  openStreams,
  type Pair,
  serve,
  until,
  voucher
} from '../../support/sdpp.ts'

const wish = (more: Partial<OrderWish> = {}): OrderWish => ({
  from: { offset: 0n },
  prepay: 0n,
  maximum: 10n ** 9n,
  ...more
})

async function consume(buyer: BuyerSession): Promise<bigint[]> {
  const seen: bigint[] = []
  for await (const batch of buyer.batches()) for (const record of batch) seen.push(record.offset)
  return seen
}

const range = (from: number, to: number): bigint[] => Array.from({ length: to - from }, (_, i) => BigInt(i + from))

/** Both ledgers hold the whole story: every statement verifies, the parts give the root of the receipt. */
async function checkLedgers(pair: Pair, outcome: BuyerOutcome): Promise<void> {
  for (const [ledger, role] of [
    [pair.sellerLedger, 'seller'],
    [pair.buyerLedger, 'buyer']
  ] as const) {
    const statements = await ledger.sessions.statements(outcome.id, role)
    const kinds = statements.map(({ kind }) => kind).sort()
    assert.deepEqual(kinds, ['accept', 'invoice', 'offer', 'order', 'receipt', 'receipt-ack'])
    for (const statement of statements) assert.ok(verifyStatement(statement), statement.kind)
    const receipt = statements.find(({ kind }) => kind === 'receipt')
    assert.ok(receipt !== undefined)
    const { content } = readAnyStatement(receipt.payload, receipt.signature)
    const order = statements.find(({ kind }) => kind === 'order')
    assert.ok(order !== undefined && 'root' in content)
    const { link } = readAnyStatement(order.payload, order.signature)
    const parts = await ledger.sessions.parts(outcome.id, role)
    let root = transcriptStart(link.bytes)
    let position = 0n
    const roots = new Map([[position, root]])
    for (const part of parts) {
      root = transcriptStep(root, part)
      position += BigInt(part.count)
      roots.set(position, root)
    }
    assert.equal(position, outcome.received)
    assert.deepEqual(Buffer.from(root), Buffer.from(content.root))
    const record = await ledger.sessions.get(outcome.id, role)
    assert.ok(record !== undefined)
    assert.equal(record.state, 'closed')
    assert.equal(record.position, outcome.received)
    assert.equal(record.due, outcome.due)
    assert.equal(record.paid, outcome.paid)
    const { checkpoint } = record
    // At the end of a block: the buyer's that of the last records or the one before, the seller's the last one that it
    // was told of before the acknowledgement.
    const ends = [...roots.keys()]
    assert.ok(
      (role === 'buyer' ? ends.slice(-2) : ends).includes(checkpoint.position),
      `${checkpoint.position} of ${outcome.received}`
    )
    assert.deepEqual(Buffer.from(checkpoint.root), Buffer.from(roots.get(checkpoint.position) ?? ''))
  }
}

test('a finite product is sold whole: every record once, due = paid, the same story in both ledgers', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(1000))
  await pair.log.finish()
  const { buyer, sellerDone } = await buyFrom(pair, { wish: wish() })
  assert.deepEqual(await consume(buyer), range(0, 1000))
  const outcome = await buyer.done
  await sellerDone
  assert.deepEqual([outcome.due, outcome.paid, outcome.credited], [100_000n, 100_000n, 100_000n])
  assert.equal(outcome.reason, CLOSE_REASON.sourceEnded)
  await checkLedgers(pair, outcome)
})

for (const invoicing of ['strict', 'adaptive'] as const) {
  for (const answering of ['every', 'newest'] as const) {
    test(`${invoicing} invoices, ${answering} answered: due = paid`, async (t) => {
      const pair = await makePair(t, { credit: 2_000n, product: { invoicing } })
      await pair.log.append(jsonRecords(500))
      await pair.log.finish()
      const { buyer, sellerDone } = await buyFrom(pair, { wish: wish({ k: 1n }), answering })
      assert.equal((await consume(buyer)).length, 500)
      const outcome = await buyer.done
      await sellerDone
      assert.equal(outcome.paid, 50_000n)
      assert.equal(outcome.invoices >= 25, true)
      if (invoicing === 'strict') assert.equal(outcome.invoices, 501)
      await checkLedgers(pair, outcome)
    })
  }
}

test('quantity: exactly so many records, from the offset ordered, in the middle of blocks', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(700))
  const { buyer, sellerDone } = await buyFrom(pair, { wish: wish({ from: { offset: 37n }, quantity: 500n }) })
  assert.deepEqual(await consume(buyer), range(37, 537))
  const outcome = await buyer.done
  await sellerDone
  assert.equal(outcome.reason, CLOSE_REASON.complete)
  assert.equal(outcome.due, 50_000n)
  await checkLedgers(pair, outcome)
})

test('until an offset, and no record at all when it is not after the start', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(50))
  const some = await buyFrom(pair, { wish: wish({ from: { offset: 10n }, until: 20n }) })
  assert.deepEqual(await consume(some.buyer), range(10, 20))
  const none = await buyFrom(pair, { wish: wish({ from: { offset: 20n }, until: 10n }) })
  assert.deepEqual(await consume(none.buyer), [])
  assert.equal((await none.buyer.done).due, 0n)
})

test('a quantity beyond what 64 bits can name is a session without end', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(20))
  await pair.log.finish()
  const most = (1n << 64n) - 1n
  const { buyer } = await buyFrom(pair, { wish: wish({ from: { offset: 10n }, quantity: most }) })
  assert.equal((await consume(buyer)).length, 10)
  assert.equal((await buyer.done).reason, CLOSE_REASON.sourceEnded)
})

test('live: records appended while the session runs arrive; it starts at the head', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(100))
  const { buyer, sellerDone } = await buyFrom(pair, { wish: wish({ from: { live: true }, quantity: 30n }) })
  const consumed = consume(buyer)
  for (let i = 0; i < 30; i++) await pair.log.append(jsonRecords(1, 100 + i))
  assert.deepEqual(await consumed, range(100, 130))
  const outcome = await buyer.done
  await sellerDone
  assert.equal(outcome.paid, 3_000n)
  await checkLedgers(pair, outcome)
})

test('pay first: without any credit the buyer pays ahead, record by record', async (t) => {
  const pair = await makePair(t, { credit: 0n })
  await pair.log.append(jsonRecords(40))
  await pair.log.finish()
  const payer = countingPayer()
  const { buyer, sellerDone } = await buyFrom(pair, { wish: wish({ prepay: 100n }) }, payer)
  assert.equal(buyer.terms?.ahead, 100n)
  assert.equal(buyer.terms?.k, 1n)
  assert.equal((await consume(buyer)).length, 40)
  const outcome = await buyer.done
  await sellerDone
  assert.equal(payer.paid[0], 100n)
  assert.ok(outcome.paid <= outcome.due + 100n)
  assert.equal(outcome.due, 4_000n)
})

test('stopping early: what came is paid, both sides settle, the rest is never charged', async (t) => {
  const pair = await makePair(t, { credit: 1_000n })
  await pair.log.append(jsonRecords(5_000))
  const { buyer, sellerDone } = await buyFrom(pair, { wish: wish() })
  let seen = 0
  for await (const batch of buyer.batches()) {
    seen += batch.length
    if (seen > 100) break
  }
  const outcome = await buyer.done
  await sellerDone
  assert.equal(outcome.reason, CLOSE_REASON.buyerDone)
  assert.equal(outcome.paid, outcome.due)
  assert.ok(outcome.received < 5_000n && outcome.received >= BigInt(seen))
  await checkLedgers(pair, outcome)
})

test('the maximum ends the session with what it paid for', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(500))
  const { buyer, sellerDone } = await buyFrom(pair, { wish: wish({ maximum: 12_345n }) })
  assert.equal((await consume(buyer)).length, 123)
  const outcome = await buyer.done
  await sellerDone
  assert.equal(outcome.reason, CLOSE_REASON.maximum)
  assert.equal(outcome.paid, 12_300n)
})

test('per KiB, with a free range: only bytes outside of it are due', async (t) => {
  const pair = await makePair(t, {
    price: { amount: '1000', count: 1, unit: 'KiB' },
    document: { freeRange: { from: 10, to: 60 } }
  })
  const records = jsonRecords(200)
  await pair.log.append(records)
  await pair.log.finish()
  const { buyer, sellerDone } = await buyFrom(pair, { wish: wish() })
  await consume(buyer)
  const outcome = await buyer.done
  await sellerDone
  const bytes = records.reduce((sum, { length }, i) => (i >= 10 && i < 60 ? sum : sum + length), 0)
  assert.equal(outcome.due, BigInt(Math.ceil((bytes * 1000) / 1024)))
  assert.equal(outcome.paid, outcome.due)
  await checkLedgers(pair, outcome)
})

test('what costs nothing is sold the same way, without vouchers', async (t) => {
  const pair = await makePair(t, { price: { amount: '0', count: 1, unit: 'record' }, credit: 0n })
  await pair.log.append(jsonRecords(50))
  await pair.log.finish()
  const payer = countingPayer()
  const { buyer, sellerDone } = await buyFrom(pair, { wish: wish({ maximum: 0n }) }, payer)
  assert.equal((await consume(buyer)).length, 50)
  const outcome = await buyer.done
  await sellerDone
  assert.deepEqual([outcome.due, outcome.paid, payer.paid.length], [0n, 0n, 0])
  await checkLedgers(pair, outcome)
})

test('a slow consumer holds the seller back at 1 MiB, while invoices are still paid', async (t) => {
  const pair = await makePair(t, { credit: 10n ** 6n, price: { amount: '1', count: 1, unit: 'record' } })
  const size = 20_000
  for (let i = 0; i < 5; i++) await pair.log.append(new Array(40).fill(new Uint8Array(size)))
  await pair.log.finish()
  const payer = countingPayer()
  const { buyer, seller, sellerDone } = await buyFrom(pair, { wish: wish() }, payer)
  const batches = buyer.batches()
  const first = await batches.next()
  const bytesSent = (): number => joinRecords([new Uint8Array(size)]).length * Number(seller.status.sent)
  await until('half of what may be in flight was sent', () => bytesSent() > MAX_IN_FLIGHT_BYTES / 2)
  await until('an invoice was paid', () => payer.paid.length > 0)
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.ok(bytesSent() <= MAX_IN_FLIGHT_BYTES, `${bytesSent()} bytes sent`)
  let seen = (first.value ?? []).length
  for await (const batch of batches) {
    await new Promise((resolve) => setTimeout(resolve, 1))
    seen += batch.length
  }
  assert.equal(seen, 200)
  assert.equal((await buyer.done).received, 200n)
  await sellerDone
})

test('a record that needs the whole budget follows smaller ones: a consumer that caught up acknowledges by itself', async (t) => {
  const pair = await makePair(t)
  for (const size of [60_000, MAX_RECORD_BYTES, 60_000, MAX_RECORD_BYTES]) await pair.log.append([new Uint8Array(size)])
  await pair.log.finish()
  const { buyer } = await buyFrom(pair, { wish: wish() })
  assert.equal((await consume(buyer)).length, 4)
  assert.equal((await buyer.done).due, 400n)
})

test('one seller, many buyers at once: each gets every record and pays for it', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(300))
  const buyers = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const signer = await makeSigner()
      const [outbound, inbound] = await openStreams()
      const { done } = serve(pair, inbound, { buyer: signer.peerId })
      const buyer = makeBuyer(pair, outbound, { wish: wish({ quantity: 400n }) }, { signer })
      await buyer.open()
      return { buyer, done }
    })
  )
  const consumed = Promise.all(buyers.map(({ buyer }) => consume(buyer)))
  await pair.log.append(jsonRecords(100, 300))
  for (const seen of await consumed) assert.deepEqual(seen, range(0, 400))
  for (const { buyer, done } of buyers) {
    await done
    const outcome = await buyer.done
    assert.equal(outcome.paid, 40_000n)
    await checkLedgers(pair, outcome)
  }
})

test('shutting down the seller ends the session in order: final invoice, payment, receipt', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(10))
  const { buyer, seller, sellerDone } = await buyFrom(pair, { wish: wish() })
  const consumed = consume(buyer)
  await until('all was received', () => buyer.status.received === 10n)
  seller.shutDown(CLOSE_REASON.shuttingDown)
  assert.equal((await consumed).length, 10)
  const outcome = await buyer.done
  await sellerDone
  assert.deepEqual([outcome.reason, outcome.paid], [CLOSE_REASON.shuttingDown, 1_000n])
})

test('a duration ends the session as complete', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(10))
  const { buyer } = await buyFrom(pair, { wish: wish({ duration: 50n }) })
  assert.equal((await consume(buyer)).length, 10)
  assert.equal((await buyer.done).reason, CLOSE_REASON.complete)
})

test('a duration of a month does not end at once', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(10))
  const { buyer } = await buyFrom(pair, { wish: wish({ duration: 30n * 86_400_000n }) })
  const consumed = consume(buyer)
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(buyer.status.phase, 'streaming')
  buyer.stop()
  await consumed
  await buyer.done
})

/** A rail whose writes take a while, in any order. */
test('slow storage of vouchers: nothing is lost and nothing is paid twice', async (t) => {
  const credited: bigint[] = []
  const payee = countingPayee(10n ** 12n, {
    credit: async (sessionPaid) => {
      await new Promise((resolve) => setTimeout(resolve, credited.length % 3))
      credited.push(sessionPaid)
    },
    end: async () => voucher(10_000n)
  })
  const pair = await makePair(t, { payee, credit: 500n, product: { invoicing: 'strict' } })
  await pair.log.append(jsonRecords(100))
  await pair.log.finish()
  const { buyer, sellerDone } = await buyFrom(pair, { wish: wish({ k: 1n }), answering: 'every' })
  await consume(buyer)
  const outcome = await buyer.done
  await sellerDone
  assert.equal(outcome.credited, 10_000n)
  await checkLedgers(pair, outcome)
})

test('the stream breaks: the buyer keeps what it got and both ledgers what was said and paid', async (t: TestContext) => {
  let ended = 0
  let suspended = 0
  const payee = countingPayee(10n ** 12n, {
    suspend: async () => {
      suspended++
    },
    end: async () => {
      ended++
      return undefined
    }
  })
  const pair = await makePair(t, { payee })
  await pair.log.append(jsonRecords(20))
  const [outbound, inbound] = await openStreams()
  const { session, done } = serve(pair, inbound)
  const buyer = makeBuyer(pair, outbound, { wish: wish() })
  await buyer.open()
  await until('20 records were credited', () => session.status.credited === 2_000n)
  outbound.abort(new Error('cable cut'))
  const seen: bigint[] = []
  await assert.rejects(async () => {
    for await (const batch of buyer.batches()) for (const { offset } of batch) seen.push(offset)
  })
  await assert.rejects(buyer.done)
  await done
  assert.deepEqual(seen, range(0, 20))
  assert.deepEqual([ended, suspended], [0, 1])
  const id = session.status.id as string
  for (const [ledger, role] of [
    [pair.sellerLedger, 'seller'],
    [pair.buyerLedger, 'buyer']
  ] as const) {
    const record = await ledger.sessions.get(id, role)
    assert.deepEqual([record?.state, record?.due, record?.paid], ['suspended', 2_000n, 2_000n], role)
    const kinds = (await ledger.sessions.statements(id, role)).map(({ kind }) => kind).sort()
    assert.deepEqual(kinds, ['accept', 'invoice', 'offer', 'order'], role)
  }
})

test('aborting the caller’s signal while streaming settles; before ACCEPT it gives up', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(10))
  const [outbound, inbound] = await openStreams()
  const { done } = serve(pair, inbound)
  const controller = new AbortController()
  const buyer = makeBuyer(pair, outbound, { wish: wish() })
  await buyer.open({ signal: controller.signal })
  await until('all was received', () => buyer.status.received === 10n)
  controller.abort()
  assert.equal((await buyer.done).paid, 1_000n)
  await done

  const [again, other] = await openStreams()
  const served = serve(pair, other)
  const early = new AbortController()
  const second = makeBuyer(pair, again, { wish: wish() })
  const opened = assert.rejects(second.open({ signal: early.signal }), /gave up/)
  early.abort()
  await opened
  await served.done
  assert.equal(served.session.status.phase, 'closed')
})
