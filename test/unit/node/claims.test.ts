import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { ClaimResult, Payee } from '../../../src/interface/index.ts'
import { Claims } from '../../../src/node/claims.ts'

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const NOTHING: ClaimResult = { claimed: 0n, transactions: [], rejected: [] }

/** A rail that says when it is looked at, and answers when it is told to. */
function makeClaims() {
  const looks: Array<{ answer: (error?: Error) => void; signal: AbortSignal | undefined }> = []
  const refunded: string[] = []
  const observed: Array<() => void> = []
  const finishing: Array<AbortSignal | undefined> = []
  let head = (): void => {}
  let listening = false
  const payee = {
    rail: 'evm',
    claim: async () => ({ claimed: 5n, transactions: [], rejected: [] }),
    channels: {
      list: async () => [],
      watch: ({ signal } = {}) =>
        new Promise<ClaimResult>((resolve, reject) => {
          looks.push({ signal, answer: (error) => (error === undefined ? resolve(NOTHING) : reject(error)) })
          signal?.addEventListener('abort', () => reject(new Error('stopped')))
        }),
      look: ({ signal } = {}) =>
        new Promise((resolve, reject) => {
          observed.push(resolve)
          signal?.addEventListener('abort', () => reject(new Error('stopped')))
        }),
      finishRefunds: ({ signal } = {}) => {
        finishing.push(signal)
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('stopped'))))
      },
      endStray: async () => {},
      refund: async (channelId) => {
        refunded.push(channelId)
        return { amount: 7n }
      },
      held: async () => ({ unclaimed: 0n, ageSeconds: 0 }),
      funds: async () => 0n
    }
  } satisfies Partial<Payee>
  const claims = new Claims({
    payees: [payee as unknown as Payee],
    onHead: (listener) => {
      head = listener
      listening = true
      return () => {
        listening = false
      }
    },
    logger: silent
  })
  return { claims, looks, observed, finishing, refunded, head: () => head(), isListening: () => listening }
}

/** Lets promises settle, and then some time pass. */
async function pass(t: TestContext, ms: number): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  t.mock.timers.tick(ms)
}

test('it looks at start and at each head; heads that come meanwhile make one more look', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const { claims, looks, observed, head } = makeClaims()
  claims.start()
  assert.equal(looks.length, 1)
  for (let i = 0; i < 3; i++) head()
  assert.equal(looks.length, 1)
  observed[0]?.()
  looks[0]?.answer()
  await pass(t, 500)
  assert.equal(looks.length, 2)
  looks[1]?.answer()
  await pass(t, 500)
  assert.equal(looks.length, 2)
  head()
  assert.equal(looks.length, 3)
  await claims.stop()
})

test('while a claim waits to be mined the channels are looked at with each head, one look at a time', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const { claims, looks, observed, head } = makeClaims()
  claims.start()
  for (let seen = 1; seen <= 3; seen++) {
    head()
    assert.deepEqual([looks.length, observed.length], [1, seen])
    head()
    observed.at(-1)?.()
    // The second head makes one more look; a third is told by none.
    await pass(t, 500)
    assert.equal(observed.length, ++seen)
    observed.at(-1)?.()
    await pass(t, 500)
  }
  await claims.stop()
})

test('a refund that an earlier run left holds nothing up, and ends with a stop', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const { claims, looks, finishing, head } = makeClaims()
  claims.start()
  looks[0]?.answer()
  await pass(t, 500)
  assert.equal(finishing.length, 1)
  head()
  assert.equal(looks.length, 2)
  await claims.stop()
  assert.equal(finishing[0]?.aborted, true)
})

test('after a failure heads are passed over for a while, the end of a session is not', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const { claims, looks, head } = makeClaims()
  claims.start()
  looks[0]?.answer(new Error('the RPC is gone'))
  await pass(t, 500)
  head()
  assert.equal(looks.length, 1)
  claims.look()
  assert.equal(looks.length, 2)
  await claims.stop()
})

test('a stop ends the look under way and listens no more', async () => {
  const { claims, looks, isListening } = makeClaims()
  claims.start()
  assert.ok(isListening())
  await claims.stop()
  assert.equal(looks[0]?.signal?.aborted, true)
  assert.ok(!isListening())
  claims.look()
  assert.equal(looks.length, 1)
})

test('refunds and claims go to the rails that have channels', async () => {
  const { claims, refunded } = makeClaims()
  claims.refundLater('0x01')
  assert.deepEqual(await claims.refund('0x02', {}), { amount: 7n })
  assert.deepEqual(await claims.claim(), { claimed: 5n, transactions: [], rejected: [] })
  await claims.stop()
  assert.deepEqual(refunded, ['0x01', '0x02'])
})
