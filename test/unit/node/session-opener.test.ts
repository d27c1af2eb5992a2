import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DdmError } from '../../../src/interface/index.ts'
import { RunningPurchase } from '../../../src/node/purchase.ts'
import { type PurchaseComponents, type PurchaseTarget, SessionOpener } from '../../../src/node/session-opener.ts'
import type { StoredSession } from '../../../src/protocols/sdpp/index.ts'
import { ManualClock, silent } from '../../support/sdpp.ts'

/** Who goes on with a session looks for its seller until the time is over. */

const nowhere = new DdmError('notFound', 'no node of this network knows an address of peer 12D3; is it running?')

function purchase(target: PurchaseTarget, clock: ManualClock, failure: DdmError) {
  const asked: number[] = []
  const components = {
    network: {
      resolvePeer: async () => {
        asked.push(clock.now())
        throw failure
      },
      blocks: {}
    },
    payers: [],
    logger: silent,
    find: async () => {
      asked.push(clock.now())
      throw failure
    },
    clock,
    chance: () => 1
  } as unknown as PurchaseComponents
  const running = new RunningPurchase(target, { checkSchema: false, resumeFor: 60_000 }, components)
  running.done.catch(() => {})
  return { running, asked }
}

const cut = {
  record: { id: 'bafyreiabc', listingId: '0x01', peer: '12D3', rail: 'evm' },
  order: { content: { prepay: 0n, maximum: 0n } },
  offer: { content: {} }
} as unknown as StoredSession

test('a seller that no node knows is looked for again, ever less often, until the time is over', async () => {
  const clock = new ManualClock()
  const { running, asked } = purchase({ session: cut }, clock, nowhere)
  let ended: unknown
  running.done.catch((error: unknown) => {
    ended = error
  })
  for (let second = 0; second < 70; second++) {
    clock.advance(1_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(asked.length > 5, `asked ${asked.length} times`)
  const between = asked.slice(1).map((at, index) => at - (asked[index] as number))
  assert.deepEqual(
    between,
    between.toSorted((a, b) => a - b)
  )
  assert.ok(ended instanceof DdmError)
  assert.match(ended.message, /ddm sessions resume bafyreiabc/)
})

test('a listing or a seller that was never there is not waited for', async () => {
  const missing = new DdmError('notFound', 'listing 0x01 was not found')
  for (const failure of [missing, nowhere]) {
    const { running, asked } = purchase({ listing: '0x01' }, new ManualClock(), failure)
    await assert.rejects(running.done, failure)
    assert.equal(asked.length, 1)
  }
})

test('who stops a purchase that looks for its seller is told how to go on', async () => {
  const { running } = purchase({ session: cut }, new ManualClock(), nowhere)
  await new Promise((resolve) => setImmediate(resolve))
  running.stop()
  await assert.rejects(running.done, { code: 'aborted', message: /ddm sessions resume bafyreiabc/ })
})

test('streams that bring nothing are tries that failed: ever less often, and not for ever', async () => {
  const clock = new ManualClock()
  const asked: number[] = []
  const components = {
    network: {
      resolvePeer: async () => ({ source: 'dht' }),
      openStream: async () => {
        asked.push(clock.now())
        throw new DdmError('refused', 'the stream was opened, and that is all')
      }
    },
    payers: [],
    logger: silent,
    clock,
    chance: () => 1
  } as unknown as PurchaseComponents
  const { signal } = new AbortController()
  const opener = new SessionOpener({ session: cut }, { checkSchema: false, resumeFor: 20_000, signal }, components)
  const vain = new DdmError('unreachable', 'lost')
  const waits: number[] = []
  for (let tries = 0; tries < 20; tries++) {
    const before = clock.now()
    const count = asked.length
    const ended = opener.open({ stored: cut }, vain).catch((error: unknown) => error)
    while (asked.length === count && clock.now() - before < 30_000) {
      clock.advance(250)
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (asked.length === count) {
      assert.equal(await ended, vain)
      break
    }
    await ended
    waits.push(clock.now() - before)
  }
  assert.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000, 8_000])
})
