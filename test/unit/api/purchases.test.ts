import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Purchases, type PurchasesInit } from '../../../src/api/purchases.ts'
import { DdmError, type Listing, type SessionRecord } from '../../../src/interface/index.ts'
import { createLogger, type LocalPurchase, NOT_YET, type PurchaseOutcome } from '../../../src/node/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

const logger = createLogger({ level: 'silent' })
const LISTING = { id: '0x12', document: { title: 'Wind' } } as unknown as Listing

const OUTCOME: PurchaseOutcome = {
  session: 'bafy12',
  listing: '0x12',
  seller: '12D3',
  rail: 'evm',
  records: 7n,
  due: 70n,
  paid: 70n,
  credited: 70n,
  reason: 'complete',
  resumes: 0,
  quality: { invalid: 0, failures: 0 },
  firstRecordMs: undefined,
  totalMs: 5
}

/** Without a record until it ends. */
function purchaseOf(done: Promise<never>): LocalPurchase {
  done.catch(() => {})
  const batches = () => ({ [Symbol.asyncIterator]: () => ({ next: () => done }) })
  return { done, batches, status: NOT_YET, stop: () => {} } as unknown as LocalPurchase
}

const silent = purchaseOf(new Promise(() => {}))

/** A home in which a purchase is kept, and what a run of the node does that finds it there. */
async function kept(t: TestContext, running: LocalPurchase = silent) {
  const home = await tempDir(t)
  const buy: PurchasesInit['node']['buy'] = () => running
  const first = new Purchases({ node: { home, buy } as PurchasesInit['node'], logger })
  const options = { records: 7, onInvalid: 'drop', checkSchema: false, refund: true, resumeFor: 1_000 } as const
  const { purchase } = await first.start({ listing: LISTING }, 'node', options)
  const note = join(home, 'purchases', `${purchase}.json`)
  const sink = JSON.stringify({ file: join(home, 'purchases', `${purchase}.jsonl`), bytes: 0, lines: 0 })
  const record = { id: OUTCOME.session, role: 'buyer', state: 'closed', sink } as unknown as SessionRecord
  const run = async (outcome?: PurchaseOutcome) => {
    const resumed: unknown[] = []
    const sessions = {
      list: async () => [record],
      get: async () => record,
      outcome: async () => outcome,
      resume: async (id: string, how: unknown) => {
        resumed.push([id, how])
        return silent
      }
    } as unknown as PurchasesInit['node']['sessions']
    const purchases = new Purchases({ node: { home, buy, sessions }, logger })
    await purchases.reopen()
    return { bought: purchases.get(purchase), resumed }
  }
  return { note, run }
}

const how = { onInvalid: 'drop', checkSchema: false, refund: true, resumeFor: 1_000 }

test('a purchase that the node keeps goes on as it was asked for; an old note says nothing of it', async (t) => {
  const { note, run } = await kept(t)
  assert.deepEqual((await run()).resumed, [[OUTCOME.session, how]])
  const { options: _options, ...old } = JSON.parse(await readFile(note, 'utf8')) as { options: unknown }
  await writeFile(note, JSON.stringify(old))
  assert.deepEqual((await run()).resumed, [[OUTCOME.session, {}]])
})

test('one that was given up because its seller was away goes on as it was asked for, too', async (t) => {
  const away = purchaseOf(Promise.reject(new DdmError('unreachable', 'lost the seller')))
  const { note, run } = await kept(t, away)
  while (!(await readFile(note, 'utf8')).includes('lost the seller')) await sleep(5)
  assert.deepEqual((await run()).resumed, [[OUTCOME.session, how]])
})

test('a purchase whose receipt came and was not noted has ended: that is noted, and nothing goes on', async (t) => {
  const { run } = await kept(t)
  const { bought, resumed } = await run(OUTCOME)
  assert.deepEqual(resumed, [])
  assert.equal(bought.problem, undefined)
  assert.deepEqual(bought.outcome, OUTCOME)
  const { id, phase, received, paid } = bought.status
  assert.deepEqual([id, phase, received, paid], [OUTCOME.session, 'closed', 7n, 70n])
  const later = await run()
  assert.deepEqual([later.resumed, later.bought.outcome?.paid], [[], 70n])
})

test('what has ended before its caller asks for the records is there for a while, and commits; then it has ended', async (t) => {
  const home = await tempDir(t)
  const marks: unknown[] = []
  const running = {
    done: Promise.resolve(OUTCOME),
    status: NOT_YET,
    stop: () => {},
    commit: async (mark: string) => void marks.push(mark)
  } as unknown as LocalPurchase
  const buy: PurchasesInit['node']['buy'] = () => running
  const purchases = new Purchases({ node: { home, buy } as PurchasesInit['node'], logger, takenWithinMs: 300 })
  const [early, late] = await Promise.all([1, 2].map(() => purchases.start({ listing: LISTING }, 'caller', {})))
  assert.ok(early !== undefined && late !== undefined)
  while (purchases.get(early.purchase).outcome === undefined) await sleep(1)
  assert.equal(purchases.take(early.purchase), running)
  await purchases.commit(early.purchase, 'all')
  assert.deepEqual(marks, ['all'])
  await sleep(400)
  assert.throws(() => purchases.take(late.purchase), { code: 'usage', message: /has ended$/ })
})
