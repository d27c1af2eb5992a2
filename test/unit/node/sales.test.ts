import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type {
  AbortOptions,
  DataSource,
  Hex,
  Listing,
  ListingDraft,
  ListingStatus
} from '../../../src/interface/index.ts'
import { DdmError } from '../../../src/interface/index.ts'
import { Access } from '../../../src/node/access.ts'
import { createLogger } from '../../../src/node/logger.ts'
import { Sales, type SalesComponents } from '../../../src/node/sales.ts'
import { openLedger } from '../../../src/storage/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

/** What a node sells, over a real ledger; publishing takes as long as the test wants. */

const SOURCE: DataSource = {
  name: 'quiet',
  finite: false,
  async *records({ signal } = {}) {
    yield { bytes: Buffer.from('{}') }
    if (signal === undefined || signal.aborted) return
    await once(signal, 'abort')
  }
}

const WISH = { title: 'Air', price: '0', source: SOURCE }

type Publish = (draft: ListingDraft, options: AbortOptions) => Promise<void>

async function salesOf(t: TestContext, publishing: Publish, status?: () => ListingStatus): Promise<Sales> {
  const ledger = await openLedger({ path: join(await tempDir(t), 'ledger.db') })
  const logger = createLogger({ level: 'error' })
  let published: Listing | undefined
  const registry = {
    synced: async () => {},
    get: async () => {
      if (published === undefined || status === undefined) throw new DdmError('notFound', 'it was never published')
      return { ...published, status: status(), trust: 'confirmed' }
    },
    publish: async (draft: ListingDraft, options: AbortOptions) => {
      await publishing(draft, options)
      const version = (published?.version ?? 0) + 1
      published = { id: draft.salt, version, document: draft.document } as unknown as Listing
      return published
    },
    setStatus: async () => {}
  }
  const sales = new Sales({
    ...{ registry, blocks: ledger.blocks, payees: [], listingId: (salt: Hex) => salt, peerId: 'me', account: '0x00' },
    ...{ ways: [{ rail: 'evm', currency: { symbol: 'USDC', decimals: 6 } }], credit: '1', logger },
    access: new Access({ maxSessions: 1, ordersPerMinute: 1, logger })
  } as unknown as SalesComponents)
  t.after(async () => {
    await sales.close()
    await ledger.close()
  })
  return sales
}

test('what a product says of its records is added to what is usual', async (t) => {
  const sales = await salesOf(t, async () => {})
  const jsonSchema = { type: 'object' }
  const said = { schema: { jsonSchema, maxRecordBytes: 100 }, cadence: { periodMs: 1_000 } } as object
  const { listing } = await sales.sell({ ...WISH, document: said })
  assert.deepEqual(listing.document.schema, { encoding: 'json', jsonSchema, maxRecordBytes: 100 })
  assert.deepEqual(listing.document.cadence, { mode: 'event', periodMs: 1_000 })
})

test('of two sales of one product at once there is one', async (t) => {
  const sales = await salesOf(t, async () => {})
  const results = await Promise.allSettled([sales.sell(WISH), sales.sell(WISH)])
  assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  await assert.rejects(sales.sell(WISH), /already on sale/)
})

test('a product that says what its listing says is not published again, whether that is on sale or paused', async (t) => {
  let posts = 0
  let status: ListingStatus = 'active'
  const sales = await salesOf(
    t,
    async () => {
      posts++
    },
    () => status
  )
  const sell = async (title: string): Promise<string> => {
    const sale = await sales.sell({ ...WISH, title, key: 'air' })
    await sale.stop()
    return `${posts} ${sale.listing.version}`
  }
  assert.equal(await sell('Air'), '1 1')
  assert.equal(await sell('Air'), '1 1')
  status = 'paused'
  assert.equal(await sell('Air'), '1 1')
  assert.equal(await sell('Clean air'), '2 2')
})

test('a product is on sale again as soon as it is off: its log is opened after it was closed', async (t) => {
  const sales = await salesOf(t, async () => {})
  const first = await sales.sell(WISH)
  const [, second] = await Promise.all([first.stop(), sales.sell(WISH)])
  assert.equal(second.log.head, first.log.head)
})

test('what is being published when the node stops is not on sale afterwards', async (t) => {
  const begun = Promise.withResolvers<void>()
  const sales = await salesOf(t, async (_, { signal }) => {
    begun.resolve()
    await new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
  })
  const selling = sales.sell(WISH)
  selling.catch(() => {})
  await begun.promise
  await sales.close()
  await assert.rejects(selling, /the node is stopping/)
  assert.deepEqual(sales.products(), [])
})
