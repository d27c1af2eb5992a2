import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { CID } from 'multiformats/cid'
import {
  DdmError,
  type Payee,
  type Payer,
  type SessionRecord,
  type SessionRole,
  type SessionStore,
  type SignedStatement
} from '../../../src/interface/index.ts'
import { Expiry, type ExpiryComponents } from '../../../src/node/expiry.ts'
import { createTrustLedger } from '../../../src/node/trust.ts'
import { Upkeep } from '../../../src/node/upkeep.ts'
import { signStatement } from '../../../src/statements/index.ts'
import { memoryTrustStore } from '../../support/memory-trust.ts'
import {
  countingPayee,
  countingPayer,
  jsonRecords,
  makeBuyer,
  makePair,
  openStreams,
  type Pair,
  serve,
  silent,
  until
} from '../../support/sdpp.ts'

const DAY = 86_400_000

interface Cut {
  pair: Pair
  payer: Payer
  payee: Payee
  ids: string[]
}

/** As many sessions as asked for, each of which was paid for in part and then cut. */
async function cut(t: TestContext, sessions = 1): Promise<Cut> {
  const payee = countingPayee(10n ** 12n)
  const payer = countingPayer()
  const pair = await makePair(t, { payee })
  await pair.log.append(jsonRecords(500))
  const ids: string[] = []
  for (let i = 0; i < sessions; i++) {
    const [outbound, inbound] = await openStreams()
    const { done } = serve(pair, inbound)
    const buyer = makeBuyer(
      pair,
      outbound,
      { wish: { from: { offset: 0n }, prepay: 0n, maximum: 10n ** 9n } },
      { payer }
    )
    await buyer.open()
    const reading = (async () => {
      for await (const _ of buyer.batches());
    })()
    await until('it is paid', () => buyer.status.paid > 0n)
    ids.push(buyer.status.id as string)
    outbound.abort(new Error('cable cut'))
    await Promise.allSettled([reading, buyer.done, done])
  }
  return { pair, payer, payee, ids }
}

/** The store of one side, with the sessions of this test only. */
function storeOf({ pair }: Cut, role: SessionRole): SessionStore {
  const { sessions } = role === 'seller' ? pair.sellerLedger : pair.buyerLedger
  const other = role === 'seller' ? pair.buyerSigner.peerId : pair.sellerSigner.peerId
  const list: SessionStore['list'] = async (...args) =>
    (await sessions.list(...args)).filter(({ peer }) => peer === other)
  return { ...sessions, list }
}

function expiryOf(sides: Cut, role: SessionRole, change: Partial<ExpiryComponents> = {}) {
  const store = memoryTrustStore()
  const trust = createTrustLedger({ store, strangerCredit: 10n ** 6n })
  const sessions = storeOf(sides, role)
  const expiry = new Expiry({
    sessions,
    payers: [sides.payer],
    payees: [sides.payee],
    trust,
    inUse: () => false,
    logger: silent,
    now: () => Date.now() + DAY + 60_000,
    ...change
  })
  const states = async () => (await sessions.list(role)).map(({ state }) => state)
  const grant = (session: string) =>
    trust.grant({ role, session, peer: 'peer', one: 100n, cap: 1_000n, want: 1_000n, floor: 1_000n })
  const halvings = async () => (await trust.standing(role, { peer: 'peer' })).peer.halvings
  return { expiry, sessions, trust, states, grant, halvings }
}

for (const role of ['seller', 'buyer'] as const) {
  test(`${role}: a session that nobody resumed in time is given up, one day after it moved and not before`, async (t) => {
    const sides = await cut(t)
    const early = expiryOf(sides, role, { now: () => Date.now() + DAY - 60_000 })
    assert.equal(await early.expiry.look(), 0)
    assert.deepEqual(await early.states(), ['suspended'])
    const { expiry, states } = expiryOf(sides, role)
    assert.equal(await expiry.look(), 1)
    assert.deepEqual(await states(), ['abandoned'])
    assert.equal(await expiry.look(), 0)
  })

  test(`${role}: a clock that jumps ten years gives nothing up before the chain's time has come, too`, async (t) => {
    const sides = await cut(t)
    const [ahead, behind] = [1, -1].map((sign) => () => Date.now() + sign * 3_650 * DAY)
    const start = Date.now()
    let late = DAY - 60_000
    const blockTime = async (): Promise<number> => start + late
    for (const now of [ahead, behind] as Array<() => number>) {
      const { expiry, states } = expiryOf(sides, role, { blockTime, now })
      assert.equal(await expiry.look(), 0)
      assert.deepEqual(await states(), ['suspended'])
    }
    late = DAY + 60_000
    assert.equal(await expiryOf(sides, role, { blockTime }).expiry.look(), 1)
  })

  test(`${role}: a session in use is not given up however quiet it is, and a crash leaves it a day`, async (t) => {
    const sides = await cut(t)
    const [id] = sides.ids
    const asked: unknown[] = []
    const used = expiryOf(sides, role, {
      inUse: (session) => {
        asked.push(session)
        return true
      }
    })
    await used.grant(id as string)
    assert.equal(await used.expiry.look(), 0)
    assert.deepEqual(asked, [{ id, role }])
    assert.deepEqual(await used.states(), ['suspended'])
    assert.equal(await used.halvings(), 0)
    const [row] = await used.sessions.list(role)
    assert.ok((row?.updatedAt ?? 0) > Date.now() + DAY, 'it is as young as the look')
    const restarted = expiryOf(sides, role)
    assert.equal(await restarted.expiry.look(), 0)
  })

  test(`${role}: one that cannot be given up is said, and keeps no other from it`, async (t) => {
    const sides = await cut(t, 3)
    const broken = sides.ids[0]
    const resume = async (sessionId: string): Promise<void> => {
      if (sessionId === broken) throw new DdmError('unreachable', 'the ledger is away')
    }
    const { payer, payee } = sides
    const warned: unknown[] = []
    const { expiry, sessions } = expiryOf(sides, role, {
      payers: [{ ...payer, resume: async (request) => resume(request.sessionId).then(() => payer.resume(request)) }],
      payees: [{ ...payee, resume: async (request) => resume(request.sessionId).then(() => payee.resume(request)) }],
      logger: { ...silent, warn: (_message, details) => warned.push(details?.session) }
    })
    assert.equal(await expiry.look(), 2)
    assert.deepEqual(warned, [broken])
    for (const { id, state } of await sessions.list(role)) {
      assert.equal(state, id === broken ? 'suspended' : 'abandoned')
    }
  })

  test(`${role}: one of which the rail knows nothing any more is given up by what its row says`, async (t) => {
    const sides = await cut(t)
    const unknown = async (): Promise<never> => {
      throw new DdmError('notFound', 'there is no channel')
    }
    const { expiry, states } = expiryOf(sides, role, {
      payers: [{ ...sides.payer, resume: unknown }],
      payees: [{ ...sides.payee, resume: unknown }]
    })
    assert.equal(await expiry.look(), 1)
    assert.deepEqual(await states(), ['abandoned'])
  })
}

for (const role of ['seller', 'buyer'] as const) {
  test(`${role}: a session that goes on while the chain's time is asked for is not given up`, async (t) => {
    const sides = await cut(t)
    const [id = ''] = sides.ids
    const ended: string[] = []
    const end = async (): Promise<undefined> => void ended.push(role)
    const { payer, payee } = sides
    const rails = {
      payers: [{ ...payer, resume: async () => ({ ...(await payer.resume({} as never)), end }) }],
      payees: [{ ...payee, resume: async () => ({ ...(await payee.resume({} as never)), end }) }]
    }
    let taken = false
    const taking = expiryOf(sides, role, {
      ...rails,
      inUse: () => taken,
      blockTime: async () => {
        taken = true
        return Number.POSITIVE_INFINITY
      }
    })
    await taking.grant(id)
    assert.equal(await taking.expiry.look(), 0)
    const { open } = (await taking.trust.standing(role, { peer: 'peer' })).peer
    assert.deepEqual([ended, await taking.states(), open], [[], ['suspended'], 1_000n])
    // Taken up and cut again: it is a day younger now.
    const again = expiryOf(sides, role, {
      ...rails,
      blockTime: async () => {
        await again.sessions.touch(id, role, Date.now() + DAY)
        return Number.POSITIVE_INFINITY
      }
    })
    assert.equal(await again.expiry.look(), 0)
    assert.deepEqual([ended, await again.states()], [[], ['suspended']])
  })

  test(`${role}: whoever takes a session up waits until it is given up`, async (t) => {
    const sides = await cut(t)
    const [id = ''] = sides.ids
    const held = Promise.withResolvers<void>()
    const ending = Promise.withResolvers<void>()
    const end = async (): Promise<undefined> => {
      ending.resolve()
      await held.promise
      return undefined
    }
    const { payer, payee } = sides
    const { expiry, sessions } = expiryOf(sides, role, {
      payers: [{ ...payer, resume: async (request) => ({ ...(await payer.resume(request)), end }) }],
      payees: [{ ...payee, resume: async (request) => ({ ...(await payee.resume(request)), end }) }]
    })
    await expiry.release({ id, role })
    const looking = expiry.look()
    await ending.promise
    const other = role === 'seller' ? 'buyer' : 'seller'
    assert.deepEqual([expiry.has({ id, role }), expiry.has({ id, role: other })], [true, false])
    const found = expiry.release({ id, role }).then(async () => (await sessions.get(id, role))?.state)
    assert.equal((await sessions.get(id, role))?.state, 'suspended')
    held.resolve()
    assert.equal(await found, 'abandoned')
    await looking
    assert.equal(expiry.has({ id, role }), false)
  })
}

for (const role of ['seller', 'buyer'] as const) {
  for (const owed of [0n, 100n]) {
    test(`${role}: a session taken up after its RECEIPT, ${owed} owed, and cut again is over in time, and its receipt stands`, async (t) => {
      const sides = await cut(t)
      const [id] = sides.ids
      const { expiry, sessions, states } = expiryOf(sides, role)
      const [row] = await sessions.list(role)
      assert.ok(row !== undefined)
      await sessions.keep(id as string, role, [receiptOf(sides, row, owed)])
      const early = expiryOf(sides, role, { now: () => Date.now() + DAY - 60_000 })
      assert.equal(await early.expiry.look(), 0)
      assert.equal(await expiry.look(), 1)
      assert.deepEqual(await states(), ['closed'])
      assert.equal(await expiry.look(), 0)
    })
  }
}

for (const role of ['seller', 'buyer'] as const) {
  test(`${role}: a session that a crash left between its end and its RECEIPT is given up, and whoever paid has lost nothing`, async (t) => {
    const sides = await cut(t)
    const [id = ''] = sides.ids
    const due = 700n
    let ended = 0
    const end = async (): Promise<undefined> => {
      ended++
      return undefined
    }
    const { payer, payee } = sides
    const { expiry, sessions, states, grant, trust, halvings } = expiryOf(sides, role, {
      payers: [{ ...payer, resume: async (request) => ({ ...(await payer.resume(request)), paid: due, end }) }],
      payees: [{ ...payee, resume: async (request) => ({ ...(await payee.resume(request)), credited: due, end }) }]
    })
    const [row] = await sessions.list(role)
    assert.ok(row !== undefined)
    await sessions.put({ ...row, state: 'receipted', due, paid: due })
    await grant(id)
    assert.equal(await expiry.look(), 1)
    assert.deepEqual([ended, await states()], [1, ['abandoned']])
    const { open, debt } = (await trust.standing(role, { peer: 'peer' })).peer
    assert.deepEqual([open, debt], [0n, 0n])
    assert.equal(await halvings(), 0)
  })
}

function receiptOf({ pair }: Cut, { id, position: n, due }: SessionRecord, owed: bigint): SignedStatement {
  const credited = due - owed
  const root = new Uint8Array(32)
  const fields = { session: CID.parse(id), n, bytes: 0n, due, credited, unused: 0n, root, reason: 0n }
  return signStatement(pair.sellerSigner, 'receipt', fields, 0)
}

test('a buyer that never came back has lost half of its credit, and owes what it did not pay', async (t) => {
  const sides = await cut(t)
  const [id] = sides.ids
  const { expiry, trust, grant, halvings, sessions } = expiryOf(sides, 'seller')
  await grant(id as string)
  const [row] = await sessions.list('seller')
  const owed = (row?.due ?? 0n) - (row?.paid ?? 0n)
  assert.ok(owed > 0n)
  await expiry.look()
  assert.equal(await halvings(), 1)
  assert.equal((await trust.standing('seller', { peer: 'peer' })).peer.debt, owed)
})

test('a chore that fails keeps no other from being done, and a stop ends the one under way', async () => {
  const done: string[] = []
  const errors: unknown[] = []
  let isLooking = (): void => {}
  const looking = new Promise<void>((resolve) => {
    isLooking = resolve
  })
  const upkeep = new Upkeep(
    [
      { name: 'bad', look: async () => Promise.reject(new Error('disk full')) },
      { name: 'good', look: async () => done.push('good') },
      {
        name: 'slow',
        look: ({ signal }) => {
          isLooking()
          return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)))
        }
      },
      { name: 'late', look: async () => done.push('late') }
    ],
    { ...silent, error: (_message, details) => errors.push(details?.chore) }
  )
  upkeep.start()
  await looking
  await upkeep.stop()
  assert.deepEqual(done, ['good'])
  assert.deepEqual(errors, ['bad'])
})
