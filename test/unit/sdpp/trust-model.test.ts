import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { exposureOf, type Grant, type SessionRole, type TrustLedger } from '../../../src/interface/index.ts'
import { createTrustLedger } from '../../../src/node/trust.ts'
import { openLedger } from '../../../src/storage/index.ts'
import { memoryTrustStore } from '../../support/memory-trust.ts'
import { tempDir } from '../../support/temp-dir.ts'

const HOUR = 3_600_000
const STRANGERS = 60n

interface Setup {
  trust: TrustLedger
  clock: { now: number }
  /** The process dies and starts again: nothing is left but what was stored. */
  restart: () => Promise<TrustLedger>
}

async function setup(t: TestContext, strangerCredit = STRANGERS): Promise<Setup> {
  const path = join(await tempDir(t), 'ledger.db')
  const clock = { now: Date.UTC(2026, 0, 1) }
  let ledger = await openLedger({ path })
  t.after(() => ledger.close())
  const create = (): TrustLedger =>
    createTrustLedger({ store: ledger.book('eip155:1').trust, strangerCredit, now: () => clock.now })
  const restart = async (): Promise<TrustLedger> => {
    await ledger.close()
    ledger = await openLedger({ path })
    return create()
  }
  return { trust: create(), clock, restart }
}

function inMemory(): Setup {
  const clock = { now: Date.UTC(2026, 0, 1) }
  const store = memoryTrustStore()
  const create = (): TrustLedger => createTrustLedger({ store, strangerCredit: STRANGERS, now: () => clock.now })
  return { trust: create(), clock, restart: async () => create() }
}

const seller = { role: 'seller', one: 10n, cap: 1_000n } as const
const buyer = { role: 'buyer', one: 10n, cap: 1_000n } as const

/** One honest session from grant to end. */
async function settle(trust: TrustLedger, who: { role: SessionRole; peer: string; account: string }, amount: bigint) {
  const session = `${who.role} ${who.peer} ${who.account} ${amount}`
  const credit = await trust.grant({ ...seller, ...who, session })
  await trust.close({ role: who.role, session, settled: amount, debt: 0n })
  return credit
}

test('a buyer grows from one record to 5 %, then uses up what it owes, and pays it back by resuming', async (t) => {
  const { trust, restart } = await setup(t)
  const who = { role: 'seller', peer: 'p', account: 'x' } as const
  assert.equal(await settle(trust, who, 4_000n), 10n)
  assert.equal(await trust.offerable({ ...seller, peer: 'p' }), 200n)
  assert.equal(await trust.grant({ ...seller, ...who, covered: 100_000n, session: 's' }), 200n)
  assert.equal(await trust.grant({ ...seller, ...who, session: 'beside' }), 0n)
  await trust.close({ role: 'seller', session: 's', settled: 500n, debt: 150n, timedOut: true })
  await trust.close({ role: 'seller', session: 's', settled: 500n, debt: 150n, timedOut: true })
  const standing = { settled: 4_000n, halvings: 1, debt: 150n, open: 0n }
  const again = await restart()
  assert.deepEqual(await again.standing('seller', { peer: 'p', account: 'x' }), { peer: standing, account: standing })
  assert.equal(await again.offerable({ ...seller, peer: 'p' }), 0n, 'half of 200, less 150')
  assert.equal(await again.reopen({ ...seller, session: 's', cap: 200n }), 100n, 'its own debt is part of its window')
  await again.close({ role: 'seller', session: 's', settled: 650n, debt: 0n })
  await again.close({ role: 'seller', session: 's', settled: 650n, debt: 0n })
  const paid = { settled: 4_650n, halvings: 1, debt: 0n, open: 0n }
  assert.deepEqual(await again.standing('seller', { peer: 'p' }), { peer: paid })
  // 20 × 200 were to be settled since the time-out.
  await settle(again, who, 3_349n)
  assert.equal(await again.offerable({ ...seller, peer: 'p' }), 199n, '5 % of 7,999, halved')
  await settle(again, who, 1n)
  assert.equal(await again.offerable({ ...seller, peer: 'p' }), 400n, '5 % of 8,000')
})

test('many peer IDs on one account, and many accounts of one peer, gain one record together', async (t) => {
  const { trust } = await setup(t, 1_000_000n)
  await settle(trust, { role: 'seller', peer: 'known', account: 'x' }, 100_000n)
  const names = Array.from({ length: 40 }, (_, index) => `new${index}`)
  const byPeer = names.map((peer) => trust.grant({ ...seller, peer, account: 'x', session: `peer ${peer}` }))
  assert.equal(sum(await Promise.all(byPeer)), 10n)
  const byAccount = names.map((account) =>
    trust.grant({ ...seller, peer: 'known', account, session: `for ${account}` })
  )
  assert.equal(sum(await Promise.all(byAccount)), 10n)
  const both = await trust.grant({ ...seller, peer: 'known', account: 'x', session: 'both' })
  assert.equal(both, 990n, 'the cap, less the record that its account has out: nothing was gained')
})

test('orders at the same time share one room', async (t) => {
  const { trust } = await setup(t)
  await settle(trust, { role: 'seller', peer: 'p', account: 'x' }, 10_000n)
  const asked = Array.from({ length: 5 }, (_, n) => ({
    ...seller,
    peer: 'p',
    account: 'x',
    want: 200n,
    session: `${n}`
  }))
  assert.deepEqual(await Promise.all(asked.map((request) => trust.grant(request))), [200n, 200n, 100n, 0n, 0n])
})

test('strangers of an hour share their allowance; what was paid for is free again, a debt is not', async (t) => {
  const { trust, clock, restart } = await setup(t)
  const fresh = (name: string, ledger = trust) =>
    ledger.grant({ ...seller, peer: `p${name}`, account: `x${name}`, session: name })
  for (const name of 'abcdef') assert.equal(await fresh(name), 10n)
  assert.equal(await fresh('g'), 0n)
  await trust.close({ role: 'seller', session: 'a', settled: 10n, debt: 0n })
  await trust.close({ role: 'seller', session: 'b', settled: 0n, debt: 10n })
  assert.equal(await fresh('h'), 10n)
  assert.equal(await fresh('i'), 0n)
  const again = await restart()
  assert.equal(await fresh('j', again), 0n)
  clock.now += HOUR - 1
  assert.equal(await fresh('k', again), 0n)
  clock.now += 1
  assert.equal(await fresh('l', again), 10n)
  assert.equal(await again.offerable({ ...seller, peer: 'pb' }), 0n, 'who owes one gets no other')
  assert.equal(await again.reopen({ ...seller, session: 'b' }), 10n, 'but may take up the session that owes it')
  await assert.rejects(again.reopen({ ...seller, session: 'never' }), { code: 'notFound' })
  await assert.rejects(fresh('b', again), { code: 'internal', message: /session b was given credit before/ })
})

test('a stranger that resumes uses the allowance of the hour in which it does; what it owes stays counted', async (t) => {
  const { trust, clock } = await setup(t)
  const fresh = (name: string) => trust.grant({ ...seller, peer: `p${name}`, account: `x${name}`, session: name })
  for (const name of 'abcdef') assert.equal(await fresh(name), 10n)
  for (const session of 'abcdef') await trust.close({ role: 'seller', session, settled: 0n, debt: 10n })
  assert.equal(await trust.reopen({ ...seller, session: 'a', cap: 0n }), 0n)
  assert.equal(await fresh('g'), 0n)
  clock.now += HOUR / 2
  assert.equal(await trust.reopen({ ...seller, session: 'a' }), 10n, 'its own record makes room for it')
  clock.now += HOUR / 2
  for (const name of 'hijkl') assert.equal(await fresh(name), 10n)
  assert.equal(await fresh('m'), 0n)
  clock.now += HOUR / 2
  assert.equal(await fresh('n'), 10n)
})

test('a session that was open when the node died counts in full until somebody says how it ended', async (t) => {
  const { trust, restart } = await setup(t)
  const who = { role: 'seller', peer: 'p', account: 'x' } as const
  await settle(trust, who, 10_000n)
  assert.equal(await trust.grant({ ...seller, ...who, session: 's' }), 500n)
  const again = await restart()
  assert.deepEqual(
    (await again.outstanding('seller')).map(({ session, open }) => [session, open]),
    [['s', true]]
  )
  assert.equal(await again.offerable({ ...seller, ...who }), 0n)
  // Less credit now than it may owe: it still counts as 500 until it is closed.
  assert.equal(await again.reopen({ ...seller, session: 's', cap: 100n }), 100n)
  assert.equal((await again.standing('seller', who)).peer.open, 500n)
  await again.close({ role: 'seller', session: 's', settled: 0n, debt: 30n })
  assert.equal(await again.offerable({ ...seller, ...who }), 470n)
  assert.deepEqual(
    (await again.outstanding()).map(({ session, debt }) => [session, debt]),
    [['s', 30n]]
  )
})

test('a buyer pays nobody ahead before a session was complete, and counts what was lost', async (t) => {
  const { trust } = await setup(t, 1_000_000n)
  const who = { peer: 'p', account: 'x' }
  assert.equal(await settle(trust, { role: 'buyer', ...who }, 2_000n), 0n)
  let named: bigint | undefined
  const session = (prepay: bigint): string => {
    named = prepay
    return 'order'
  }
  assert.equal(await trust.grant({ ...buyer, ...who, session }), 100n)
  assert.equal(named, 100n)
  await trust.close({ role: 'buyer', session: 'order', settled: 0n, debt: 80n })
  assert.equal(await trust.offerable({ ...buyer, ...who }), 20n)
  assert.equal(await trust.offerable({ ...buyer, ...who, floor: 500n }), 420n, 'limit set by hand')
  assert.equal(await trust.offerable({ ...buyer, peer: 'p', account: 'other' }), 0n)
  assert.equal(await trust.offerable({ ...seller, ...who, cap: 10n }), 10n, 'the books of the roles are apart')
})

test('a grant that is aborted, or whose order cannot be signed, leaves nothing behind', async (t) => {
  const { trust } = await setup(t)
  const request = { ...seller, peer: 'p', session: 's' }
  await assert.rejects(trust.grant(request, { signal: AbortSignal.abort() }), { code: 'aborted' })
  const failing = (): string => {
    throw new Error('no signer')
  }
  await assert.rejects(trust.grant({ ...request, session: failing }), /no signer/)
  assert.deepEqual(await trust.outstanding(), [])
  await trust.close({ role: 'seller', session: 's', settled: 5n, debt: 0n })
  assert.equal(await trust.grant(request), 10n)
})

type Step =
  | { type: 'grant'; peer: string; account: string | undefined; one: bigint; cap: bigint; covered: bigint | undefined }
  | { type: 'close'; at: number; settled: bigint; owed: number; timedOut: boolean }
  | { type: 'reopen'; at: number; cap: bigint; covered: bigint | undefined }
  | { type: 'pay'; at: number; owed: number }
  | { type: 'wait'; minutes: number }
  | { type: 'crash' }

const name = (of: string) => fc.nat({ max: 3 }).map((n) => `${of}${n}`)
const covered = fc.option(fc.bigInt({ min: 0n, max: 4_000n }), { nil: undefined, freq: 3 })
const cap = fc.bigInt({ min: 0n, max: 150n })
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant('grant' as const),
        peer: name('p'),
        account: fc.option(name('x'), { nil: undefined, freq: 9 }),
        one: fc.bigInt({ min: 0n, max: 20n }),
        cap,
        covered
      })
    },
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant('close' as const),
        at: fc.nat(),
        settled: fc.bigInt({ min: 0n, max: 1_500n }),
        owed: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat({ max: 100 })),
        timedOut: fc.boolean()
      })
    },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('reopen' as const), at: fc.nat(), cap, covered }) },
    {
      weight: 2,
      arbitrary: fc.record({ type: fc.constant('pay' as const), at: fc.nat(), owed: fc.nat({ max: 100 }) })
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('wait' as const), minutes: fc.nat({ max: 45 }) }) },
    { weight: 1, arbitrary: fc.constant({ type: 'crash' as const }) }
  ),
  { minLength: 10, maxLength: 60 }
)

/** What really happened, kept apart from the ledger and without its rules. */
class Truth {
  readonly sessions: Array<Grant & { counted: bigint; asStranger: boolean; one: bigint }> = []

  of(role: SessionRole, who: { peer?: string; account?: string | undefined }): Truth['sessions'] {
    return this.sessions.filter(
      (s) => s.role === role && (who.peer === undefined ? s.account === who.account : s.peer === who.peer)
    )
  }

  static settled(sessions: Truth['sessions']): bigint {
    return sum(sessions.map((s) => s.counted))
  }

  static atRisk(sessions: Truth['sessions']): bigint {
    return sum(sessions.map(exposureOf))
  }

  /** 5 %, whatever the time-outs: halvings only lower it. */
  limit(
    sessions: Truth['sessions'],
    { cap: most, covered: balance }: { cap: bigint; covered: bigint | undefined }
  ): bigint {
    const settled = Truth.settled(sessions)
    const base = balance !== undefined && balance < settled ? balance : settled
    return (base * 5n) / 100n < most ? (base * 5n) / 100n : most
  }
}

class Run {
  readonly truth = new Truth()
  readonly seen = { grown: 0, strangers: 0, refused: 0, reopened: 0, crashes: 0 }
  readonly #setup: Setup
  /** Runs may share a file: each has peers and accounts of its own. */
  readonly #id: string
  #trust: TrustLedger

  constructor(set: Setup, id: string) {
    this.#setup = set
    this.#trust = set.trust
    this.#id = id
  }

  async step(step: Step, role: SessionRole): Promise<void> {
    const { sessions } = this.truth
    const pick = (at: number, test: (s: Grant) => boolean) => {
      const fitting = sessions.filter((s) => s.role === role && test(s))
      return fitting[at % Math.max(fitting.length, 1)]
    }
    if (step.type === 'wait') this.#setup.clock.now += step.minutes * 60_000
    if (step.type === 'crash') {
      this.seen.crashes++
      this.#trust = await this.#setup.restart()
    }
    if (step.type === 'grant') await this.#grant(step, role)
    if (step.type === 'close') {
      const session = pick(step.at, ({ open }) => open)
      if (session !== undefined) {
        const debt = (exposureOf(session) * BigInt(step.owed)) / 100n
        await this.#close(session, session.settled + step.settled, debt, step.timedOut && debt > 0n)
      }
    }
    if (step.type === 'pay') {
      const session = pick(step.at, ({ open, debt }) => !open && debt > 0n)
      if (session !== undefined) {
        const debt = (session.debt * BigInt(step.owed)) / 100n
        await this.#close(session, session.settled + session.debt - debt, debt, false)
      }
    }
    if (step.type === 'reopen') {
      const session = pick(step.at, () => true)
      if (session !== undefined) await this.#reopen(session, step)
    }
    await this.#check(role)
  }

  async #grant(step: Extract<Step, { type: 'grant' }>, role: SessionRole): Promise<void> {
    const { one, cap: most, covered: balance } = step
    const peer = `${this.#id}${step.peer}`
    const account = step.account === undefined ? undefined : `${this.#id}${step.account}`
    const session = `${this.#id}s${this.truth.sessions.length}`
    const credit = await this.#trust.grant({
      role,
      session,
      peer,
      one,
      cap: most,
      ...(account === undefined ? {} : { account }),
      ...(balance === undefined ? {} : { covered: balance })
    })
    const who = { role, session, peer, ...(account === undefined ? {} : { account }) }
    const money = { credit, settled: 0n, debt: 0n, counted: 0n, one }
    const made = { ...who, ...money, stranger: false, asStranger: false, open: true, at: this.#setup.clock.now }
    this.truth.sessions.push(made)
    this.#allowed(made, step)
  }

  async #reopen(session: Truth['sessions'][number], step: Extract<Step, { type: 'reopen' }>): Promise<void> {
    this.seen.reopened++
    const { role, one } = session
    const most = step.cap
    const credit = await this.#trust.reopen({
      role,
      session: session.session,
      one,
      cap: most,
      ...(step.covered === undefined ? {} : { covered: step.covered })
    })
    const debt = exposureOf(session)
    Object.assign(session, { debt, credit, open: true })
    if (credit > debt) Object.assign(session, { asStranger: false, at: this.#setup.clock.now })
    this.#allowed(session, step)
  }

  /** New credit is within every limit, or it is a stranger's only record. */
  #allowed(session: Truth['sessions'][number], step: { cap: bigint; covered: bigint | undefined }): void {
    const { role, peer, account, credit, one, debt } = session
    assert.ok(credit >= 0n && credit <= step.cap)
    if (credit === 0n) {
      this.seen.refused++
      return
    }
    const sides = [this.truth.of(role, { peer }), ...(account === undefined ? [] : [this.truth.of(role, { account })])]
    // What the session owes already is no new risk.
    const others = (side: Truth['sessions']): bigint => Truth.atRisk(side.filter((s) => s !== session))
    if (sides.every((side) => credit + others(side) <= this.truth.limit(side, step))) {
      this.seen.grown++
      if (credit >= debt) session.asStranger = false
      return
    }
    this.seen.strangers++
    assert.equal(role, 'seller', 'a buyer pays no stranger ahead')
    assert.ok(credit <= one && debt <= credit)
    for (const side of sides) assert.equal(others(side), 0n, 'a second record for one who has one out')
    Object.assign(session, { asStranger: true, at: this.#setup.clock.now })
  }

  async #close(session: Truth['sessions'][number], settled: bigint, debt: bigint, timedOut: boolean): Promise<void> {
    const { role, session: id } = session
    const end = { role, session: id, settled, debt, timedOut }
    await Promise.all([this.#trust.close(end), this.#trust.close(end)])
    Object.assign(session, { settled, debt, open: false })
    if (debt === 0n && settled > session.counted) session.counted = settled
  }

  async #check(role: SessionRole): Promise<void> {
    const { sessions } = this.truth
    const now = this.#setup.clock.now
    const lent = sum(sessions.filter((s) => s.asStranger && s.at > now - HOUR).map(exposureOf))
    assert.ok(lent <= STRANGERS, `strangers of this hour have ${lent}`)
    const people = [0, 1, 2, 3].map((n) => ({ peer: `${this.#id}p${n}`, account: `${this.#id}x${n}` }))
    const standings = await Promise.all(people.map((who) => this.#trust.standing(role, who)))
    for (const [n, who] of people.entries()) {
      const { peer, account } = standings[n] ?? {}
      for (const [standing, side] of [
        [peer, this.truth.of(role, { peer: who.peer })],
        [account, this.truth.of(role, { account: who.account })]
      ] as const) {
        assert.equal(standing?.settled, Truth.settled(side))
        assert.equal(standing?.debt, Truth.atRisk(side.filter(({ open }) => !open)))
        assert.equal(standing?.open, Truth.atRisk(side.filter(({ open }) => open)))
      }
    }
  }
}

const anyRole = fc.constantFrom<SessionRole>('seller', 'seller', 'buyer')

test('model: any order of sessions, time-outs, late payments and crashes keeps every limit', async () => {
  const total: Record<string, number> = {}
  await fc.assert(
    fc.asyncProperty(steps, anyRole, async (all, role) => {
      const run = new Run(inMemory(), '')
      for (const step of all) await run.step(step, role)
      for (const [what, count] of Object.entries(run.seen)) total[what] = (total[what] ?? 0) + count
    }),
    { numRuns: 800 }
  )
  for (const [what, count] of Object.entries(total)) assert.ok(count > 100, `${what}: ${count}`)
})

test('model: the same on the disk', async (t) => {
  let shared = await setup(t)
  let runs = 0
  await fc.assert(
    fc.asyncProperty(steps, anyRole, async (all, role) => {
      shared.clock.now += 2 * HOUR
      shared = { ...shared, trust: await shared.restart() }
      const run = new Run(shared, `${++runs}/`)
      for (const step of all) await run.step(step, role)
    }),
    { numRuns: 6, endOnFailure: true }
  )
})

function sum(amounts: bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n)
}
