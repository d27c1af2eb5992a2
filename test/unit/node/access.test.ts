import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BuyerRequest } from '../../../src/interface/index.ts'
import { Access, type AccessRules } from '../../../src/node/access.ts'

const LISTING = `0x${'ab'.repeat(32)}` as const
const ANN = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo'
const BEA = '12D3KooWLRPJAA5o6hSz1JXVNDEvvL4gFHk6hW2XDAfMnW9YwKmQ'
const PAYS = '0x5b38da6a701c568545dcfcb03fcb875f56beddc4'
const FORBIDDEN = { status: 'forbidden', text: 'this buyer is not served' }

function make(rules: AccessRules = {}, limits: { maxSessions?: number; ordersPerMinute?: number } = {}) {
  const clock = { now: 1_000_000 }
  const warnings: string[] = []
  const log = (text: string) => void warnings.push(text)
  const logger = { debug: log, info: log, warn: log, error: log }
  const access = new Access({ maxSessions: 100, ordersPerMinute: 100, ...limits, logger, now: () => clock.now })
  access.setRules(LISTING, rules)
  const ask = (peerId: string, request: Partial<BuyerRequest> = {}, signal = new AbortController().signal) =>
    access.admits({ peerId, listing: LISTING, ...request }, { signal })
  return { access, clock, warnings, ask }
}

describe('lists', () => {
  test('without rules everybody is served', async () => {
    const { access, ask } = make()
    assert.equal(access.greets(ANN, LISTING), true)
    assert.equal(access.greets(ANN, `0x${'cd'.repeat(32)}`), true)
    assert.equal(await ask(ANN, { account: PAYS }), undefined)
  })

  test('allowed peers only, already at HELLO; deny wins over allow', async () => {
    const { access, ask } = make({ allow: [ANN, BEA], deny: [BEA] })
    assert.deepEqual([access.greets(ANN, LISTING), access.greets(BEA, LISTING)], [true, false])
    assert.equal(await ask(ANN), undefined)
    assert.deepEqual(await ask(BEA), FORBIDDEN)
    access.dropRules(LISTING)
    assert.equal(await ask(BEA), undefined)
  })

  test('an allowed account lets any peer in, but only when it is proved; letter case does not matter', async () => {
    const { access, ask } = make({ allow: [PAYS.toUpperCase().replace('0X', '0x')] })
    assert.equal(access.greets(ANN, LISTING), true, 'its account is not known yet')
    assert.equal(await ask(ANN, { account: PAYS }), undefined)
    assert.deepEqual(await ask(ANN, { named: PAYS }), FORBIDDEN)
    assert.deepEqual(await ask(ANN), FORBIDDEN)
    assert.deepEqual(await ask(ANN, { account: `0x${'11'.repeat(20)}` }), FORBIDDEN)
  })

  test('a denied account is refused whatever peer it comes by', async () => {
    const { ask } = make({ deny: [PAYS] })
    assert.deepEqual(await ask(ANN, { account: PAYS }), FORBIDDEN)
    assert.deepEqual(await ask(ANN, { named: PAYS }), FORBIDDEN, 'also where it has not signed for it')
    assert.equal(await ask(ANN, { account: `0x${'11'.repeat(20)}` }), undefined)
  })

  test('an account of 32 bytes, as IOTA has them, is allowed and denied like one of 20', async () => {
    const account = `0x${'5b38ABCD'.repeat(8)}`
    const paying = { account: account.toLowerCase() }
    const { ask } = make({ allow: [account] })
    assert.equal(await ask(ANN, paying), undefined)
    assert.deepEqual(await ask(ANN, { account: `0x${'11'.repeat(32)}` }), FORBIDDEN)
    assert.deepEqual(await make({ deny: [account] }).ask(ANN, paying), FORBIDDEN)
    assert.throws(() => make({ allow: [account.slice(0, -1)] }), { code: 'usage', message: /names no buyer/ })
  })

  test('what names nobody is refused with the entry', () => {
    assert.throws(() => make({ allow: ['bob'] }), { code: 'usage', message: /^"bob" names no buyer; write a peer ID/ })
    assert.throws(() => make({ deny: ['0x12'] }), { code: 'usage', message: /^"0x12" names no buyer/ })
  })
})

describe('authorize', () => {
  test('is asked with peer, account and listing, after the lists, and its answer counts', async () => {
    const asked: unknown[] = []
    const { ask } = make({
      deny: [BEA],
      authorize: async (request) => {
        asked.push(request)
        return request.account === PAYS
      }
    })
    assert.equal(await ask(ANN, { account: PAYS }), undefined)
    assert.deepEqual(await ask(ANN), FORBIDDEN)
    assert.deepEqual(await ask(BEA, { account: PAYS }), FORBIDDEN)
    assert.deepEqual(asked, [
      { peerId: ANN, account: PAYS, listing: LISTING },
      { peerId: ANN, account: undefined, listing: LISTING }
    ])
  })

  test('what throws, or says anything but true, is a no that tells the buyer nothing', async () => {
    const { ask, warnings } = make({
      authorize: () => {
        throw new Error('database password is hunter2')
      }
    })
    assert.deepEqual(await ask(ANN), FORBIDDEN)
    assert.equal(warnings.length, 1)
    assert.deepEqual(await make({ authorize: () => 'yes' as never }).ask(ANN), FORBIDDEN)
  })

  test('an answer that never comes is not waited for once the stream is gone, and the callback learns it', async () => {
    let given: AbortSignal | undefined
    const { ask } = make({
      authorize: (_request, { signal }) => {
        given = signal
        return new Promise(() => {})
      }
    })
    const session = new AbortController()
    const asking = ask(ANN, {}, session.signal)
    session.abort()
    assert.deepEqual(await asking, FORBIDDEN)
    assert.equal(given?.aborted, true)
  })
})

describe('limits per buyer', () => {
  test('sessions count until their signal aborts; each buyer has its own', async () => {
    const { ask } = make({}, { maxSessions: 2 })
    const [first, second] = [new AbortController(), new AbortController()]
    assert.equal(await ask(ANN, {}, first.signal), undefined)
    assert.equal(await ask(ANN, {}, first.signal), undefined, 'the same session twice is one')
    assert.equal(await ask(ANN, {}, second.signal), undefined)
    const third = await ask(ANN)
    assert.deepEqual(third, {
      status: 'busy',
      text: 'you have 2 sessions here, one buyer may have 2; end one of them first'
    })
    assert.equal(await ask(BEA), undefined)
    first.abort()
    assert.equal(await ask(ANN), undefined)
  })

  test('many peer IDs on one account count together once the account is proved', async () => {
    const { ask } = make({}, { maxSessions: 2 })
    // Somebody who only names the account takes nothing from its owner.
    for (let i = 0; i < 5; i++) await ask(`${ANN}${i}`, { named: PAYS })
    assert.equal(await ask('a', { account: PAYS }), undefined)
    assert.equal(await ask('b', { account: PAYS }), undefined)
    assert.equal((await ask('c', { account: PAYS }))?.status, 'busy')
    assert.equal(await ask('d'), undefined)
  })

  test('orders and resumes in a minute', async () => {
    const { ask, clock } = make({}, { ordersPerMinute: 2 })
    const order = async () => {
      const session = new AbortController()
      const answer = await ask(ANN, {}, session.signal)
      session.abort()
      return answer
    }
    assert.equal(await order(), undefined)
    clock.now += 20_000
    assert.equal(await order(), undefined)
    assert.deepEqual(await order(), {
      status: 'busy',
      text: 'you ordered or resumed 2 times in a minute, as often as one buyer may; wait 40 s'
    })
    clock.now += 40_000
    assert.equal(await order(), undefined)
    assert.equal((await order())?.status, 'busy')
  })
})
