import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import type { IndexStore, ListingStatus } from '../../../src/interface/index.ts'
import { ContractSync } from '../../../src/registry/sync.ts'
import { openTables, sortable } from '../../../src/registry/tables.ts'
import { openIndex } from '../../../src/storage/index.ts'
import { MemoryChain, type MemoryEvent } from '../../support/memory-chain.ts'
import { ACCOUNT, OTHER_ACCOUNT, quiet, salt, TOKEN } from './market.ts'

const INIT = { fromBlock: 0n, pollMs: 60_000, onChange: () => {} }

function put(n: number, price = 1n, seller = ACCOUNT): MemoryEvent {
  return {
    event: 'ListingPut',
    seller,
    salt: salt(n),
    manifest: salt(1000 + n),
    token: TOKEN,
    unitPrice: price,
    unit: 1
  }
}

function status(n: number, to: ListingStatus, seller = ACCOUNT): MemoryEvent {
  return { event: 'ListingStatus', seller, salt: salt(n), status: to }
}

/** What the contract's log says, replayed from the start without any of the code under test. */
function replay(chain: MemoryChain): unknown[] {
  const heads = new Map<string, Record<string, unknown>>()
  for (const log of chain.canonical) {
    if (log.event === 'PeerBound') continue
    const before = heads.get(log.listingId)
    const updated_at = Number(log.timestamp) * 1000
    if (log.event === 'ListingStatus') {
      heads.set(log.listingId, { ...before, status: log.status, updated_at })
    } else {
      heads.set(log.listingId, {
        listing_id: log.listingId,
        seller: log.seller,
        version: log.version,
        manifest: log.manifest,
        unit_price: sortable(log.unitPrice),
        status: before?.status ?? 'active',
        updated_at,
        tx: log.transactionHash,
        number: Number(log.blockNumber),
        block_hash: log.blockHash
      })
    }
  }
  return Array.from(heads.values()).sort((a, b) => (String(a.listing_id) < String(b.listing_id) ? -1 : 1))
}

async function assertIndexIs(chain: MemoryChain, index: IndexStore): Promise<void> {
  const heads = await index.all(`select listing_id, seller, version, manifest, unit_price, status, updated_at, tx,
    number, block_hash from registry_head order by listing_id`)
  assert.deepEqual(
    heads.map((head) => ({ ...head })),
    replay(chain)
  )
  const events = await index.all<{ block_hash: string; log_index: number }>(
    'select block_hash, log_index from registry_event order by number, log_index'
  )
  assert.deepEqual(
    events.map((event) => `${event.block_hash} ${event.log_index}`),
    chain.canonical.map((log) => `${log.blockHash} ${log.logIndex}`)
  )
  const [checkpoint] = await index.all('select number, hash from registry_checkpoint')
  assert.deepEqual({ ...checkpoint }, { number: Number(chain.tip.number), hash: chain.tip.hash })
}

async function newSync(chain: MemoryChain, index: IndexStore): Promise<ContractSync> {
  return new ContractSync({ chain, index, logger: quiet }, INIT, await openTables(index, chain))
}

test('a listing that a reorganisation removes is gone, and what it superseded is back', async () => {
  const chain = new MemoryChain()
  const index = await openIndex({ path: ':memory:' })
  const sync = await newSync(chain, index)
  chain.mine([put(1), put(2)])
  chain.mine([put(1, 7n), status(2, 'paused')])
  chain.mine([put(3)])
  await sync.pass()
  await assertIndexIs(chain, index)
  // Same height, other hash: only the hash tells.
  chain.reorg(2, [[], [put(4)]])
  await sync.pass()
  await assertIndexIs(chain, index)
  const rows = await index.all<{ version: number; status: string }>(
    'select version, status from registry_head order by number, version'
  )
  assert.deepEqual(
    rows.map(({ version, status }) => `${version} ${status}`),
    ['1 active', '1 active', '1 active']
  )
  // A shorter chain.
  chain.reorg(2, [])
  await sync.pass()
  await assertIndexIs(chain, index)
  await sync.stop()
  await index.close()
})

test('a new version of a paused listing stays paused', async () => {
  const chain = new MemoryChain()
  const index = await openIndex({ path: ':memory:' })
  const sync = await newSync(chain, index)
  chain.mine([put(1), status(1, 'paused'), put(1, 2n)])
  await sync.pass()
  await assertIndexIs(chain, index)
  await index.close()
})

test('catching up reads ranges, the last blocks one by one; reorganisations of any depth', async () => {
  const chain = new MemoryChain()
  const index = await openIndex({ path: ':memory:' })
  const sync = await newSync(chain, index)
  for (let i = 0; i < 5_000; i++) chain.mine(i % 50 === 0 ? [put(i)] : [])
  await sync.pass()
  await assertIndexIs(chain, index)
  assert.equal(chain.calls.logs, 3)
  assert.equal(chain.calls.logsOf, 64)
  for (const depth of [1, 2, 3, 5, 8, 63, 64, 65, 127, 128, 129, 500, 3_000]) {
    const events = chain.eventsOf(depth)
    chain.reorg(depth, [[put(10_000 + depth)], ...events.slice(1)])
    await sync.pass()
    await assertIndexIs(chain, index)
  }
  await index.close()
})

test('the checkpoint survives a restart; another genesis, chain or registry starts from nothing', async () => {
  const path = join(tmpdir(), `ddm-registry-${process.pid}-${Date.now()}.db`)
  try {
    const chain = new MemoryChain({ seed: 'one' })
    chain.mine([put(1)])
    let index = await openIndex({ path })
    await (await newSync(chain, index)).pass()
    await index.close()

    index = await openIndex({ path })
    chain.mine([put(2)])
    const calls = { ...chain.calls }
    await (await newSync(chain, index)).pass()
    await assertIndexIs(chain, index)
    assert.equal((chain.calls.logsOf ?? 0) - (calls.logsOf ?? 0), 1, 'only the new block is read')
    await index.close()

    for (const other of [new MemoryChain({ seed: 'two' }), new MemoryChain({ seed: 'two', chainId: 5 })]) {
      index = await openIndex({ path })
      const sync = await newSync(other, index)
      assert.equal(sync.checkpoint.number, 0n)
      assert.equal((await index.all('select * from registry_event')).length, 0)
      other.mine([put(3)])
      await sync.pass()
      await assertIndexIs(other, index)
      await index.close()
    }
  } finally {
    await Promise.all(['', '-wal', '-shm'].map((suffix) => rm(path + suffix, { force: true })))
  }
})

test('an endpoint that does not know the parents of its blocks is followed by number', async () => {
  const chain = new MemoryChain()
  const index = await openIndex({ path: ':memory:' })
  const sync = await newSync(chain, index)
  for (let i = 0; i < 20; i++) chain.mine([put(i)])
  await sync.pass()
  chain.reorg(4, [[put(30)], [put(31)], [], [put(32)], [put(33)]])
  const block = chain.block.bind(chain)
  chain.block = async (at) => (typeof at === 'bigint' ? await block(at) : undefined)
  await sync.pass()
  await assertIndexIs(chain, index)
  chain.reorg(3, [])
  await sync.pass()
  await assertIndexIs(chain, index)
  await index.close()
})

test('failing RPC calls lose nothing and are retried', async () => {
  const chain = new MemoryChain()
  const index = await openIndex({ path: ':memory:' })
  chain.mine([put(1)])
  const warnings: string[] = []
  const logger = { ...quiet, warn: (message: string) => warnings.push(message) }
  const sync = new ContractSync({ chain, index, logger }, INIT, await openTables(index, chain))
  let failing = 3
  chain.onCall = () => {
    if (failing-- > 0) throw new Error('503')
  }
  sync.start()
  const deadline = Date.now() + 60_000
  while (sync.checkpoint.hash !== chain.tip.hash && Date.now() < deadline) await new Promise((ok) => setTimeout(ok, 20))
  await assertIndexIs(chain, index)
  assert.equal(warnings.length, 3)
  // A caller who asks for the state now is told.
  failing = 1
  await assert.rejects(sync.pass(), /503/)
  await sync.pass()
  await sync.stop()
  await index.close()
})

test('another chain behind the same RPC is refused, not mixed in', async () => {
  const chain = new MemoryChain({ seed: 'one' })
  const index = await openIndex({ path: ':memory:' })
  chain.mine([put(1)])
  const sync = await newSync(chain, index)
  await sync.pass()
  const other = new MemoryChain({ seed: 'two' })
  other.mine()
  other.mine([put(2)])
  chain.head = () => other.head()
  chain.block = (at) => other.block(at)
  await assert.rejects(sync.pass(), { code: 'networkMismatch' })
  await index.close()
})

type Action =
  | { mine: MemoryEvent[] }
  | { reorg: number; keep: boolean; add: MemoryEvent[][] }
  | 'pass'
  | 'restart'
  | { fail: number }
  | { moveAfter: number }

const event = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.nat(4), fc.nat(9), fc.boolean())
      .map(([n, price, own]) => put(n, BigInt(price), own ? ACCOUNT : OTHER_ACCOUNT))
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat(4), fc.constantFrom<ListingStatus>('active', 'paused', 'paused', 'retired'), fc.boolean())
      .map(([n, to, own]) => status(n, to, own ? ACCOUNT : OTHER_ACCOUNT))
  }
)
const events = fc.array(event, { maxLength: 4 })
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 5, arbitrary: events.map((mine): Action => ({ mine })) },
  {
    weight: 3,
    arbitrary: fc.record({
      reorg: fc.integer({ min: 1, max: 8 }),
      keep: fc.boolean(),
      add: fc.array(events, { maxLength: 9 })
    })
  },
  { weight: 4, arbitrary: fc.constant<Action>('pass') },
  { weight: 1, arbitrary: fc.constant<Action>('restart') },
  { weight: 1, arbitrary: fc.nat(6).map((fail): Action => ({ fail })) },
  { weight: 1, arbitrary: fc.nat(6).map((moveAfter): Action => ({ moveAfter })) }
)

test('after any events, reorganisations, failures and restarts the index is the replay of the chain', async () => {
  const index = await openIndex({ path: ':memory:' })
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
      const chain = new MemoryChain({ seed: `run ${run++}` })
      let sync = await newSync(chain, index)
      const pass = () => sync.pass().catch((error: Error) => assert.match(error.message, /planned/))
      for (const step of actions) {
        if (step === 'pass') await pass()
        else if (step === 'restart') {
          await sync.stop()
          sync = await newSync(chain, index)
        } else if ('mine' in step) chain.mine(step.mine)
        else if ('reorg' in step)
          chain.reorg(step.reorg, [...(step.keep ? chain.eventsOf(step.reorg).slice(1) : []), ...step.add])
        else {
          let left = 'fail' in step ? step.fail : step.moveAfter
          chain.onCall = () => {
            if (left-- > 0) return
            chain.onCall = () => {}
            if ('fail' in step) throw new Error('planned')
            chain.reorg(2, [[put(9)], [], [status(9, 'paused')]])
          }
          await pass()
          chain.onCall = () => {}
        }
      }
      await sync.pass()
      await assertIndexIs(chain, index)
      await sync.stop()
    }),
    { numRuns: 150 }
  )
  await index.close()
})
