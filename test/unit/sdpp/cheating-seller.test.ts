import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { DdmError, type ErrorCode, type PayerSession } from '../../../src/interface/index.ts'
import { ACCEPT_TIMEOUT_MS, HELLO_TIMEOUT_MS, RECEIPT_TIMEOUT_MS } from '../../../src/protocols/sdpp/constants.ts'
import { encodeData } from '../../../src/protocols/sdpp/data-frame.ts'
import { encodeFrame, FRAME } from '../../../src/protocols/sdpp/frame.ts'
import { type BuyerSession, readSession, STATUS } from '../../../src/protocols/sdpp/index.ts'
import { encodePlain, encodeSigned } from '../../../src/protocols/sdpp/messages.ts'
import { signStatement, statementLink } from '../../../src/statements/index.ts'
import {
  countingPayer,
  jsonRecords,
  ManualClock,
  makeBuyer,
  makePair,
  makeSigner,
  openStreams,
  type PairOptions,
  type Request,
  until,
  voucher
} from '../../support/sdpp.ts'
import { RawSeller } from '../../support/sdpp-raw.ts'

interface Table {
  seller: RawSeller
  buyer: BuyerSession
  opened: Promise<void>
  clock: ManualClock
  payer: ReturnType<typeof countingPayer>
  ended: bigint[]
  /** How often the rail was told to wait for the session to be taken up again. */
  suspensions: () => number
  pair: Awaited<ReturnType<typeof makePair>>
}

/** A real buyer and, on the other side, a seller who does as the test says. */
async function sitDown(
  t: TestContext,
  options: PairOptions = {},
  request: Partial<Request> = {},
  rail: Partial<PayerSession> = {}
): Promise<Table> {
  const pair = await makePair(t, options)
  const [outbound, inbound] = await openStreams()
  const clock = new ManualClock()
  const ended: bigint[] = []
  const end = async (due: bigint): Promise<void> => {
    ended.push(due)
  }
  let suspended = 0
  const suspend = async (): Promise<void> => {
    suspended++
  }
  const payer = countingPayer({ end, suspend, ...rail })
  const wish = { from: { offset: 0n }, prepay: 0n, maximum: 10_000n }
  const seller = new RawSeller(pair, inbound)
  const buyer = makeBuyer(pair, outbound, { wish, ...request }, { payer, clock })
  const opened = buyer.open()
  opened.catch(() => {})
  return { seller, buyer, opened, clock, payer, ended, suspensions: () => suspended, pair }
}

async function failure(table: Table): Promise<DdmError> {
  const error = await table.buyer.done.then(
    () => assert.fail('the session did not fail'),
    (error: unknown) => error
  )
  assert.ok(error instanceof DdmError, String(error))
  return error
}

async function told(table: Table, status: number, code: ErrorCode): Promise<void> {
  assert.equal(await table.seller.status(), status)
  table.clock.advance(100)
  await table.seller.end()
  const error = await failure(table)
  assert.equal(error.details.status, status)
  assert.equal(error.code, code)
  await assert.rejects(async () => {
    for await (const _ of table.buyer.batches());
  })
}

const PHASES: Record<string, (table: Table) => Promise<void>> = {
  greeting: ({ seller }) => seller.hello(),
  ordering: async ({ seller }) => {
    await seller.hello()
    seller.offer()
    seller.ordered = (await seller.next('ORDER')).statement
  },
  streaming: async ({ seller, opened }) => {
    await seller.begin()
    seller.data(jsonRecords(10))
    await opened
  },
  settling: async ({ seller, opened, buyer }) => {
    await seller.begin()
    seller.data(jsonRecords(10))
    await opened
    seller.close()
    await until('it settles', () => buyer.status.phase === 'settling')
  }
}

const JUNK: Array<[string, () => Uint8Array, number]> = [
  ['garbage', () => randomBytes(100).fill(0xee, 0, 4), STATUS.tooLarge],
  ['an unknown kind', () => encodeFrame(0x7f), STATUS.unexpected],
  ['a frame of length 0', () => new Uint8Array(5), STATUS.malformed],
  ['a claim of 2^31 bytes of DATA', () => new Uint8Array([0x80, 0, 0, 0, FRAME.DATA, 0]), STATUS.tooLarge],
  ['an oversized INVOICE', () => encodeFrame(FRAME.INVOICE, new Uint8Array(65_537)), STATUS.tooLarge],
  ['a truncated INVOICE', () => encodeFrame(FRAME.INVOICE, new Uint8Array(70)), STATUS.malformed],
  ['truncated DATA', () => encodeFrame(FRAME.DATA, new Uint8Array(20)), STATUS.malformed],
  [
    'DATA whose count lies',
    () => encodeData({ blockStart: 0n, first: 0n, count: 2 ** 32 - 1, endOfBlock: true, bytes: new Uint8Array(8) }),
    STATUS.malformed
  ],
  ['a non-canonical CLOSE', () => encodeFrame(FRAME.CLOSE, Uint8Array.from([0xbf, 0xff])), STATUS.malformed],
  [
    'HELLO, which only buyers send',
    () => encodePlain('HELLO', { versions: [2n], nonce: randomBytes(16), pay: [] }),
    STATUS.unexpected
  ],
  ['PAYMENT, which only buyers send', () => encodePlain('PAYMENT', { n: 0n, sessionPaid: 0n }), STATUS.unexpected]
]

for (const [phase, reach] of Object.entries(PHASES)) {
  for (const [what, frame, status] of JUNK) {
    test(`${what} while ${phase}: status ${status} and nothing lost`, async (t) => {
      const table = await sitDown(t)
      await reach(table)
      table.seller.send(frame())
      await told(table, status, 'protocol')
      if (phase === 'greeting') return assert.deepEqual([table.ended, table.suspensions()], [[], 0])
      const { id, due, paid } = table.buyer.status
      assert.deepEqual([table.ended, table.suspensions()], [[], 1])
      const { sessions } = table.pair.buyerLedger
      const record = await sessions.get(id as string, 'buyer')
      assert.deepEqual([record?.state, record?.due, record?.paid], ['suspended', due, paid])
      const kinds = (await sessions.statements(id as string, 'buyer')).map(({ kind }) => kind)
      assert.ok(kinds.includes('offer') && kinds.includes('order'))
    })
  }

  test(`a stream that ends inside a frame while ${phase} is noticed`, async (t) => {
    const table = await sitDown(t)
    await reach(table)
    table.seller.send(encodePlain('CLOSE', { reason: 1n, n: 0n }).subarray(0, 7))
    await table.seller.stream.close()
    const error = await failure(table)
    assert.equal(error.details.status, STATUS.malformed)
  })
}

const OUT_OF_ORDER: Array<[phase: string, send: (table: Table) => void | Promise<void>]> = [
  ['greeting', ({ seller }) => seller.send(encodePlain('CLOSE', { reason: 0n, n: 0n }))],
  [
    'greeting',
    ({ seller }) =>
      seller.send(encodeData({ blockStart: 0n, first: 0n, count: 1, endOfBlock: true, bytes: new Uint8Array(4) }))
  ],
  ['ordering', ({ seller }) => seller.offer()],
  ['streaming', ({ seller }) => seller.accept()],
  ['streaming', ({ seller }) => seller.receipt()],
  ['settling', ({ seller }) => seller.receipt()],
  ['settling', ({ seller }) => seller.close()],
  ['settling', ({ seller }) => seller.data(jsonRecords(1))]
]

for (const [i, [phase, send]] of OUT_OF_ORDER.entries()) {
  test(`out of order while ${phase} (${i}): unexpected`, async (t) => {
    const table = await sitDown(t)
    await PHASES[phase]?.(table)
    await send(table)
    await told(table, STATUS.unexpected, 'protocol')
  })
}

type OfferFields = Parameters<RawSeller['offer']>[0]
const price = { rail: 'evm', amount: 100n, count: 1n, unit: 'record', credit: 10_000n } as const
const BAD_OFFERS: Array<[string, OfferFields, number, ErrorCode]> = [
  ['for another buyer', { buyer: 'somebody' }, STATUS.unexpected, 'protocol'],
  ['with another nonce', { nonce: new Uint8Array(16) }, STATUS.unexpected, 'protocol'],
  ['for another listing document', { listing: statementLink(new Uint8Array([1])) }, STATUS.unexpected, 'protocol'],
  ['for another listing ID', { listingId: `0x${'cd'.repeat(32)}` }, STATUS.unexpected, 'protocol'],
  ['above the listing’s price', { prices: [{ ...price, amount: 101n }] }, STATUS.priceChanged, 'priceAboveLimit'],
  [
    'above it as a fraction',
    { prices: [{ ...price, amount: 201n, count: 2n }] },
    STATUS.priceChanged,
    'priceAboveLimit'
  ],
  ['for 0 records', { prices: [{ ...price, count: 0n }] }, STATUS.malformed, 'protocol'],
  ['per another unit', { prices: [{ ...price, unit: 'KiB' }] }, STATUS.termsOutsideOffer, 'refused'],
  [
    'paid to another account',
    { prices: [{ ...price, payTo: `0x${'ee'.repeat(20)}` }] },
    STATUS.termsOutsideOffer,
    'refused'
  ],
  ['with no price at all', { prices: [] }, STATUS.noCommonRail, 'refused'],
  ['with k in no order', { k: { min: 5n, default: 1n, max: 10n } }, STATUS.malformed, 'protocol'],
  ['with k from 0', { k: { min: 0n, default: 1n, max: 10n } }, STATUS.malformed, 'protocol'],
  ['with another free range', { free: { from: 0n, to: 10n } }, STATUS.termsOutsideOffer, 'refused'],
  ['of larger records than the listing allows', { maxRecordBytes: 1_025n }, STATUS.termsOutsideOffer, 'refused'],
  ['with a schema that the listing does not have', { schema: randomBytes(32) }, STATUS.termsOutsideOffer, 'refused']
]

for (const [what, fields, status, code] of BAD_OFFERS) {
  test(`an offer ${what}: ${status}, and nothing is signed`, async (t) => {
    const table = await sitDown(t)
    await table.seller.hello()
    table.seller.offer(fields)
    await told(table, status, code)
    assert.equal(
      table.seller.seen.some(({ name }) => name === 'ORDER'),
      false
    )
  })
}

test('an offer without the free range that the listing promises is refused', async (t) => {
  const table = await sitDown(t, { document: { freeRange: { from: 0, to: 5 } } })
  await table.seller.hello()
  table.seller.offer()
  await told(table, STATUS.termsOutsideOffer, 'refused')
})

test('an offer without the schema that the listing promises, or with another, is refused', async (t) => {
  for (const fields of [{}, { schema: randomBytes(32) }]) {
    const schema = { encoding: 'json', maxRecordBytes: 1024, jsonSchema: { type: 'object' } } as const
    const table = await sitDown(t, { document: { schema } })
    await table.seller.hello()
    table.seller.offer(fields)
    await told(table, STATUS.termsOutsideOffer, 'refused')
  }
})

test('an offer of another signer, or with a false signature', async (t) => {
  const stranger = await makeSigner()
  const first = await sitDown(t)
  await first.seller.hello()
  first.seller.offer({}, stranger)
  await told(first, STATUS.badSignature, 'protocol')
  const second = await sitDown(t)
  await second.seller.hello()
  const impostor = { ...stranger, peerId: second.pair.sellerSigner.peerId }
  second.seller.offer({}, impostor)
  await told(second, STATUS.badSignature, 'protocol')
})

test('a key that the listing names may sign; accept and invoices then must be its too', async (t) => {
  const hot = await makeSigner()
  const table = await sitDown(t, { document: { signers: [hot.peerId] } })
  await table.seller.hello()
  table.seller.offer({}, hot)
  await table.seller.accept({}, hot)
  await table.opened
  table.seller.data(jsonRecords(1))
  table.seller.invoice({}, hot)
  await until('it pays', () => table.payer.paid.length === 1)
  table.seller.invoice({ credited: 0n })
  await told(table, STATUS.badSignature, 'protocol')
})

test('maxPrice: an offer above it is refused here, without telling the limit', async (t) => {
  const table = await sitDown(t, {}, { maxPrice: { amount: 99n, count: 1n } })
  await table.seller.hello()
  table.seller.offer()
  assert.equal(await table.seller.status(), STATUS.budget)
  const said = table.seller.seen.at(-1)
  assert.ok(said?.name === 'STATUS')
  assert.doesNotMatch(said.content.text, /99/)
  const error = await failure(table)
  assert.equal(error.code, 'priceAboveLimit')
  assert.match(error.message, /100 per 1.*99 per 1/)
})

test('a lower price than the listing’s is welcome', async (t) => {
  const table = await sitDown(t)
  await table.seller.hello()
  table.seller.offer({ prices: [{ ...price, amount: 150n, count: 2n }] })
  await table.seller.next('ORDER')
})

type AcceptFields = Parameters<RawSeller['accept']>[0]
const BAD_ACCEPTS: Array<[string, AcceptFields, Partial<Request>]> = [
  ['for another session', { session: statementLink(new Uint8Array([1])) }, {}],
  ['with a larger k', { k: 1_000n }, {}],
  ['with k 0', { k: 0n }, {}],
  ['wanting more ahead than prepay', { ahead: 1n }, {}],
  ['from another epoch', { epoch: 99n }, {}],
  ['from another offset', { start: 1n }, {}],
  ['until somewhere', { until: 5n }, {}],
  ['live from before the head', { start: 5n }, { wish: { from: { live: true }, prepay: 0n, maximum: 1_000n } }]
]

for (const [what, fields, request] of BAD_ACCEPTS) {
  test(`an ACCEPT ${what} is outside of the offer; nothing is paid`, async (t) => {
    const table = await sitDown(t, {}, request)
    await table.seller.hello()
    table.seller.offer()
    await table.seller.accept(fields)
    await told(table, STATUS.termsOutsideOffer, 'refused')
    assert.deepEqual(table.payer.paid, [])
    const record = await table.pair.buyerLedger.sessions.get((table.seller.ordered?.cid ?? '') as string, 'buyer')
    assert.equal(record?.state, 'refused')
  })
}

type Totals = Parameters<RawSeller['invoice']>[0]
const LIES: Array<[string, Totals, number]> = [
  ['n too high', { n: 11n }, STATUS.accountMismatch],
  ['n too low', { n: 9n }, STATUS.accountMismatch],
  ['due too high', { due: 1_001n }, STATUS.accountMismatch],
  ['due of 2^128 − 1', { due: (1n << 128n) - 1n }, STATUS.accountMismatch],
  ['bytes', { bytes: 1n }, STATUS.accountMismatch],
  ['credited more than was paid', { credited: 1n }, STATUS.accountMismatch],
  ['another root', { root: new Uint8Array(32) }, STATUS.transcriptMismatch],
  ['another session', { session: statementLink(new Uint8Array([1])) }, STATUS.badSignature]
]

for (const [what, lie, status] of LIES) {
  test(`an invoice that lies (${what}) is not paid: ${status}`, async (t) => {
    const table = await sitDown(t)
    await PHASES.streaming?.(table)
    table.seller.invoice(lie)
    await told(table, status, 'protocol')
    assert.deepEqual(table.payer.paid, [])
  })
  test(`a receipt that lies (${what}) is not acknowledged: ${status}`, async (t) => {
    const table = await sitDown(t)
    await PHASES.settling?.(table)
    table.seller.invoice()
    await until('it pays', () => table.payer.paid.length === 1)
    const credited = lie?.credited === undefined ? {} : { credited: 1_001n }
    table.seller.receipt({ ...(lie as object), ...credited })
    await told(table, status, 'protocol')
    assert.equal(
      table.seller.seen.some(({ name }) => name === 'RECEIPT_ACK'),
      false
    )
    // What it saw and paid is kept, although it ended badly.
    const id = table.buyer.status.id as string
    const kinds = (await table.pair.buyerLedger.sessions.statements(id, 'buyer')).map(({ kind }) => kind)
    assert.ok(kinds.includes('invoice'))
    assert.equal((await table.pair.buyerLedger.sessions.get(id, 'buyer'))?.paid, 1_000n)
  })
}

test('a receipt that says something else is unused than is, or shows no voucher, is not acknowledged', async (t) => {
  const cases = [
    [{ unused: 5n }, STATUS.accountMismatch, 'protocol'],
    [{}, STATUS.paymentInvalid, 'paymentInvalid'],
    [{ proof: voucher(1_999n) }, STATUS.paymentInvalid, 'paymentInvalid']
  ] as const
  for (const [lie, status, code] of cases) {
    const table = await sitDown(t, {}, {}, { channelId: voucher(0n).channelId })
    await table.seller.begin({ base: 1_000n, proof: voucher(1_000n) })
    table.seller.data(jsonRecords(10))
    await table.opened
    table.seller.close()
    table.seller.invoice()
    await until('it pays', () => table.payer.paid.length === 1)
    table.seller.receipt({ credited: 1_000n, ...lie })
    await told(table, status, code)
    assert.equal(
      table.seller.seen.some(({ name }) => name === 'RECEIPT_ACK'),
      false
    )
  }
})

test('a first ACCEPT that credits something is refused and not kept, on every rail', async (t) => {
  const { channelId } = voucher(0n)
  const withChannel: Partial<PayerSession> = { channelId }
  for (const rail of [withChannel, {}]) {
    const table = await sitDown(t, {}, {}, rail)
    await table.seller.begin({ credited: 5n, base: 0n, proof: voucher(5n) })
    await told(table, STATUS.accountMismatch, 'protocol')
    const id = table.buyer.status.id as string
    const kinds = (await table.pair.buyerLedger.sessions.statements(id, 'buyer')).map(({ kind }) => kind)
    assert.equal(kinds.includes('accept'), false)
  }
})

const CHEAP = { from: { offset: 0n }, prepay: 0n, maximum: 10_000n }

test('an ACCEPT that credits more than was paid does not resume a session, and is not kept', async (t) => {
  const { channelId } = voucher(0n)
  for (const [rail, base] of [
    [{ channelId }, { base: 0n }],
    [{}, {}]
  ] as const) {
    const table = await sitDown(t, {}, {}, rail)
    await table.seller.begin(base)
    table.seller.data(jsonRecords(10))
    await table.opened
    table.seller.stream.abort(new Error('cut'))
    await failure(table)
    const { sessions } = table.pair.buyerLedger
    const id = table.buyer.status.id as string
    const accepts = async () => (await sessions.statements(id, 'buyer')).filter(({ kind }) => kind === 'accept')
    const before = await accepts()
    const stored = await readSession(sessions, id, 'buyer')
    assert.ok(stored !== undefined)
    const [outbound, inbound] = await openStreams()
    const again = new RawSeller(table.pair, inbound)
    again.offered = table.seller.offered
    again.ordered = table.seller.ordered
    const resumed = makeBuyer(table.pair, outbound, { wish: CHEAP, resume: { stored } }, { payer: countingPayer(rail) })
    resumed.open().catch(() => {})
    await again.next('RESUME')
    await again.accept({ ...base, credited: 1_001n, proof: voucher(1_001n) })
    assert.equal(await again.status(), STATUS.accountMismatch)
    await again.end()
    await resumed.settled
    assert.deepEqual([before.length, await accepts()], [1, before])
  }
})

test('a RECEIPT over nothing with a voucher that is not the buyer’s is not acknowledged', async (t) => {
  const { channelId } = voucher(0n)
  const accept = async (_: bigint | undefined, proof: unknown) => {
    if (proof !== undefined) throw new DdmError('paymentInvalid', 'the voucher is not signed by this buyer')
  }
  {
    const rail: Partial<PayerSession> = { channelId, accept }
    const table = await sitDown(t, {}, {}, rail)
    await table.seller.begin({ base: 0n })
    await table.opened
    table.seller.close()
    table.seller.invoice()
    table.seller.receipt({ proof: voucher(0n) })
    assert.equal(await table.seller.status(), STATUS.paymentInvalid)
    assert.equal((await failure(table)).code, 'paymentInvalid')
    assert.equal(
      table.seller.seen.some(({ name }) => name === 'RECEIPT_ACK'),
      false
    )
  }
})

test('transcript: a record changed after it was hashed is noticed at the invoice', async (t) => {
  const table = await sitDown(t)
  await PHASES.streaming?.(table)
  const bytes = new Uint8Array([0, 0, 0, 1, 65])
  table.seller.send(encodeData({ blockStart: 10n, first: 10n, count: 1, endOfBlock: true, bytes }))
  table.seller.transcript?.add(10n, 1, new Uint8Array([0, 0, 0, 1, 66]), true)
  const { progress } = table.seller
  table.seller.progress = { n: 11n, records: 11n, bytes: progress.bytes + 1n }
  table.seller.invoice()
  await told(table, STATUS.transcriptMismatch, 'protocol')
})

test('blocks: DATA that names a block other than the open one is unexpected', async (t) => {
  for (const blockStart of [0n, 9n]) {
    const table = await sitDown(t)
    await PHASES.streaming?.(table)
    const bytes = new Uint8Array([0, 0, 0, 1, 65])
    table.seller.send(encodeData({ blockStart, first: 10n, count: 1, endOfBlock: true, bytes }))
    await told(table, STATUS.unexpected, 'protocol')
  }
  const open = await sitDown(t)
  await open.seller.begin()
  const bytes = new Uint8Array([0, 0, 0, 1, 65])
  open.seller.send(encodeData({ blockStart: 0n, first: 0n, count: 1, endOfBlock: false, bytes }))
  open.seller.send(encodeData({ blockStart: 1n, first: 1n, count: 1, endOfBlock: true, bytes }))
  await told(open, STATUS.unexpected, 'protocol')
})

test('data beyond the maximum of the order, or with a gap, is unexpected and never paid', async (t) => {
  const table = await sitDown(t)
  await table.seller.begin()
  table.seller.data(jsonRecords(101))
  await told(table, STATUS.unexpected, 'protocol')
  assert.deepEqual(table.payer.paid, [])
})

test('a seller who takes the prepayment and vanishes gets no more than it', async (t) => {
  const wish = { from: { offset: 0n }, prepay: 300n, maximum: 10_000n }
  const table = await sitDown(t, {}, { wish })
  await table.seller.begin({ credit: 0n, ahead: 300n, k: 1n })
  await table.seller.next('PAYMENT')
  table.clock.advance(45_000)
  const error = await failure(table)
  assert.equal(error.details.status, STATUS.timeout)
  assert.deepEqual(table.payer.paid, [300n])
  assert.equal(table.buyer.status.risk, 300n)
})

test('a status of the seller reaches the caller with its code', async (t) => {
  for (const [status, code] of [
    [STATUS.unknownListing, 'notFound'],
    [STATUS.channelUnfunded, 'refused'],
    [STATUS.paymentInvalid, 'paymentInvalid'],
    [STATUS.internal, 'protocol'],
    [299, 'refused']
  ] as const) {
    const table = await sitDown(t)
    await table.seller.hello()
    table.seller.send(encodePlain('STATUS', { code: BigInt(status), text: 'no' }))
    const error = await failure(table)
    assert.deepEqual([error.code, error.details.status], [code, status])
    assert.match(error.message, /seller .*no/)
  }
})

test('statuses below 200 end nothing', async (t) => {
  const table = await sitDown(t)
  await table.seller.hello()
  table.seller.send(encodePlain('STATUS', { code: 100n, text: '' }))
  table.seller.offer()
  await table.seller.next('ORDER')
})

test('timers: OFFER, ACCEPT and RECEIPT must come', async (t) => {
  const greeting = await sitDown(t)
  await greeting.seller.hello()
  greeting.clock.advance(HELLO_TIMEOUT_MS)
  await told(greeting, STATUS.timeout, 'unreachable')
  const ordered = await sitDown(t)
  await PHASES.ordering?.(ordered)
  for (let waited = 0; waited < ACCEPT_TIMEOUT_MS; waited += 20_000) {
    ordered.seller.send(encodePlain('PING', {}))
    await new Promise((resolve) => setTimeout(resolve, 2))
    ordered.clock.advance(20_000)
  }
  await told(ordered, STATUS.timeout, 'unreachable')
  const settling = await sitDown(t)
  await PHASES.settling?.(settling)
  settling.clock.advance(RECEIPT_TIMEOUT_MS)
  await told(settling, STATUS.timeout, 'unreachable')
})

test('a receipt that came counts, even if the stream breaks while it is stored', async (t) => {
  const held = Promise.withResolvers<void>()
  let ends = 0
  const table = await sitDown(t, {}, {}, { end: () => (ends++ === 0 ? held.promise : Promise.resolve()) })
  await PHASES.settling?.(table)
  table.seller.invoice()
  await until('it pays', () => table.payer.paid.length === 1)
  table.seller.receipt({ credited: 1_000n })
  await until('the receipt was read', () => table.buyer.status.phase === 'receipted')
  await until('it is being stored', () => ends === 1)
  table.seller.stream.abort(new Error('cable cut'))
  await new Promise((resolve) => setTimeout(resolve, 20))
  held.resolve()
  const outcome = await table.buyer.done
  assert.deepEqual([outcome.paid, outcome.credited, outcome.reason], [1_000n, 1_000n, 2])
  const kinds = (await table.pair.buyerLedger.sessions.statements(outcome.id, 'buyer')).map(({ kind }) => kind)
  assert.ok(kinds.includes('receipt') && kinds.includes('receipt-ack'))
})

test('a payment that waits for the rail is not made any more after the receipt', async (t) => {
  const wish = { from: { offset: 0n }, prepay: 300n, maximum: 10_000n }
  const held = Promise.withResolvers<void>()
  const table = await sitDown(t, {}, { wish }, { accept: () => held.promise })
  await table.seller.begin({ credit: 0n, ahead: 300n, k: 1n, base: 0n })
  table.seller.close()
  table.seller.invoice()
  table.seller.receipt()
  await until('the receipt was read', () => table.buyer.status.phase === 'receipted')
  held.resolve()
  const outcome = await table.buyer.done
  assert.equal(outcome.due, 0n)
  assert.deepEqual([table.payer.paid, table.ended], [[], [0n]])
})

test('a seller who leaves while the buyer opens a channel: the channel session is given back', async (t) => {
  const held = Promise.withResolvers<void>()
  let begun = false
  const begin = (): Promise<void> => {
    begun = true
    return held.promise
  }
  const table = await sitDown(t, {}, {}, { begin })
  await table.seller.hello()
  table.seller.offer()
  await until('the channel is being opened', () => begun)
  await table.seller.stream.close()
  await failure(table)
  held.resolve()
  await until('it was given back', () => table.ended.length === 1)
  assert.deepEqual(table.ended, [0n])
})

test('an unfit statement inside a good frame: the offer of another kind', async (t) => {
  const table = await sitDown(t)
  await table.seller.hello()
  const fields = { nonce: table.seller.nonce, listings: [] }
  table.seller.send(encodeSigned('OFFER', signStatement(table.seller.signer, 'menu', fields, 0)))
  await told(table, STATUS.malformed, 'protocol')
})

test('an invoice with a false signature is neither paid nor kept', async (t) => {
  const table = await sitDown(t)
  const impostor = { ...(await makeSigner()), peerId: table.pair.sellerSigner.peerId }
  await PHASES.streaming?.(table)
  table.seller.invoice({}, impostor)
  await told(table, STATUS.badSignature, 'protocol')
  assert.deepEqual(table.payer.paid, [])
  const kinds = (await table.pair.buyerLedger.sessions.statements(table.buyer.status.id as string, 'buyer')).map(
    ({ kind }) => kind
  )
  assert.equal(kinds.includes('invoice'), false)
})

test('a false final invoice spoils a good receipt of a session that costs nothing', async (t) => {
  const table = await sitDown(t, { price: { amount: '0', count: 1, unit: 'record' } })
  const impostor = { ...(await makeSigner()), peerId: table.pair.sellerSigner.peerId }
  await PHASES.settling?.(table)
  table.seller.invoice({}, impostor)
  table.seller.receipt()
  await told(table, STATUS.badSignature, 'protocol')
})

test('a record larger than offered is not paid where its size is what costs', async (t) => {
  const price = { amount: '1000', count: 1, unit: 'KiB' } as const
  const wish = { from: { offset: 0n }, prepay: 0n, maximum: 1_000_000n }
  const table = await sitDown(t, { price }, { wish })
  await table.seller.begin()
  await table.opened
  table.seller.data([new Uint8Array(1024), new Uint8Array(1025)])
  table.seller.invoice()
  await told(table, STATUS.tooLarge, 'protocol')
  assert.deepEqual(table.payer.paid, [])
})
