import assert from 'node:assert/strict'
import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import {
  type ChannelConfig,
  DdmError,
  type Hex,
  MAX_AMOUNT,
  type PayeeChannel,
  type PayerChannel,
  type SessionRecord,
  type SignedStatement
} from '../../../src/interface/index.ts'
import { type Ledger, openLedger } from '../../../src/storage/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

const amount = fc.bigInt({ min: 0n, max: MAX_AMOUNT })
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
const hex32 = hash.map((bytes): Hex => `0x${Buffer.from(bytes).toString('hex')}`)
const address: Hex = `0x${'ab'.repeat(20)}`
const signature: Hex = `0x${'cd'.repeat(65)}`

const config: ChannelConfig = {
  payer: address,
  payerAuthorizer: address,
  receiver: address,
  receiverAuthorizer: address,
  token: address,
  withdrawDelay: 86_400,
  salt: `0x${'01'.repeat(32)}`
}

const payer = (channelId: Hex, signed: bigint): PayerChannel => ({
  channelId,
  config,
  seller: 'peer',
  chainId: 31_337,
  escrow: address,
  deposited: MAX_AMOUNT,
  signed,
  signature,
  base: 0n
})

const payee = (channelId: Hex, held?: bigint): PayeeChannel => ({
  channelId,
  config,
  chainId: 31_337,
  escrow: address,
  ...(held === undefined ? {} : { voucher: { channelId, maxClaimableAmount: held, signature } }),
  base: 3n,
  claimed: 2n
})

const session = (id: string, change: Partial<SessionRecord> = {}): SessionRecord => ({
  id,
  role: 'seller',
  listingId: `0x${'02'.repeat(32)}`,
  listingCid: 'bafylisting',
  peer: 'peer',
  state: 'streaming',
  rail: 'free',
  start: 0n,
  position: 0n,
  checkpoint: { position: 0n, root: new Uint8Array(32), records: 0n, bytes: 0n },
  due: 0n,
  paid: 0n,
  credit: 0n,
  openedAt: 1,
  updatedAt: 2,
  ...change
})

const statement = (cid: string, kind: string): SignedStatement => ({
  cid,
  kind,
  issuer: 'peer',
  payload: Buffer.from(cid),
  signature: new Uint8Array(64).fill(7)
})

async function ledgerOf(t: TestContext): Promise<Ledger> {
  const ledger = await openLedger({ path: join(await tempDir(t), 'ledger.db') })
  t.after(() => ledger.close())
  return ledger
}

test('sessions keep offsets up to 2^64 and amounts up to 2^128', async (t) => {
  const { sessions } = await ledgerOf(t)
  const checkpoint = fc.record({ position: u64, root: hash, records: u64, bytes: u64 }, { noNullPrototype: true })
  const record = fc.record({
    start: u64,
    position: u64,
    checkpoint,
    due: amount,
    paid: amount,
    credit: amount,
    channelId: hex32,
    sink: fc.string()
  })
  await fc.assert(
    fc.asyncProperty(fc.uuid(), record, async (id, fields) => {
      await sessions.put(session(id))
      await sessions.put(session(id, fields))
      assert.deepEqual(await sessions.get(id, 'seller'), session(id, fields))
      assert.equal(await sessions.get(id, 'buyer'), undefined)
    }),
    { numRuns: 50 }
  )
})

test('sessions are listed by role', async (t) => {
  const { sessions } = await ledgerOf(t)
  await sessions.put(session('a', { openedAt: 5 }))
  await sessions.put(session('b', { openedAt: 4 }))
  await sessions.put(session('a', { role: 'buyer', openedAt: 6 }))
  const names = (list: SessionRecord[]): string[] => list.map(({ id, role }) => `${id} ${role}`)
  assert.deepEqual(names(await sessions.list()), ['b seller', 'a seller', 'a buyer'])
  assert.deepEqual(names(await sessions.list('buyer')), ['a buyer'])
})

test('a statement that replaces others leaves one of its kind', async (t) => {
  const { sessions } = await ledgerOf(t)
  const cids = async (): Promise<string[]> => (await sessions.statements('s', 'seller')).map(({ cid }) => cid)
  await sessions.keep('s', 'seller', [statement('offer', 'OFFER'), statement('order', 'ORDER')])
  const replace = (cid: string): Promise<void> =>
    sessions.put(session('s'), { statements: [statement(cid, 'INVOICE')], replaces: ['INVOICE'] })
  await replace('invoice1')
  await sessions.keep('s', 'buyer', [statement('invoice1', 'INVOICE')])
  await replace('invoice2')
  await replace('invoice2')
  await sessions.keep('s', 'seller', [statement('order', 'ORDER')])
  assert.deepEqual(await cids(), ['offer', 'order', 'invoice2'])
  assert.equal((await sessions.statements('s', 'buyer')).length, 1)
  const [offer] = await sessions.statements('s', 'seller')
  assert.deepEqual(offer && { ...offer, payload: Buffer.from(offer.payload) }, statement('offer', 'OFFER'))
})

test('transcript parts come back in order of their offsets; a part that grew replaces itself', async (t) => {
  const { sessions } = await ledgerOf(t)
  const part = (first: bigint, count: number): { first: bigint; count: number; digest: Uint8Array } => ({
    first,
    count,
    digest: new Uint8Array(32).fill(count)
  })
  const high = 1n << 63n
  const buyer = session('s', { role: 'buyer' })
  await sessions.put(buyer, { parts: [part(high, 1), part(256n, 3), part(0n, 256)] })
  await sessions.put(buyer, { parts: [part(256n, 9)] })
  assert.deepEqual(await sessions.parts('s', 'buyer'), [part(0n, 256), part(256n, 9), part(high, 1)])
})

test('the last checkpoint at or before a position is found, until its session has not moved for long', async (t) => {
  const { sessions } = await ledgerOf(t)
  const at = (position: bigint) => ({
    position,
    root: new Uint8Array(32).fill(Number(position)),
    records: position,
    bytes: 4n
  })
  await sessions.put(session('s', { updatedAt: 10 }), { checkpoints: [at(64n), at(16n)] })
  await sessions.put(session('s', { role: 'buyer' }), { checkpoints: [at(20n)] })
  await sessions.put(session('t', { updatedAt: 30 }), { checkpoints: [at(16n)] })
  const found = (id: string, position: bigint) => sessions.checkpoint(id, 'seller', position)
  assert.equal(await found('s', 15n), undefined)
  assert.deepEqual(await found('s', 16n), at(16n))
  assert.deepEqual(await found('s', 63n), at(16n))
  assert.deepEqual(await found('s', (1n << 64n) - 1n), at(64n))
  await sessions.dropCheckpoints(30)
  assert.equal(await found('s', 64n), undefined)
  assert.deepEqual(await found('t', 64n), at(16n))
})

test('a touch makes a row younger and changes nothing else', async (t) => {
  const { sessions } = await ledgerOf(t)
  await sessions.put(session('s', { updatedAt: 10 }))
  await sessions.put(session('s', { role: 'buyer', updatedAt: 10 }))
  await sessions.touch('s', 'seller', 99)
  assert.deepEqual(await sessions.get('s', 'seller'), session('s', { updatedAt: 99 }))
  assert.equal((await sessions.get('s', 'buyer'))?.updatedAt, 10)
})

test('channels and their sessions are stored in one write', async (t) => {
  const { channels } = await ledgerOf(t)
  const a: Hex = `0x${'0a'.repeat(32)}`
  const b: Hex = `0x${'0b'.repeat(32)}`
  await channels.putPayer(payer(a, MAX_AMOUNT), {
    sessionId: 's',
    channelId: a,
    paid: 9n,
    open: true,
    consumed: 0n,
    signed: 7n
  })
  await channels.putPayee(payee(b))
  await channels.putPayee(payee(b, 5n), {
    sessionId: 's',
    channelId: b,
    paid: 5n,
    open: true,
    consumed: 0n,
    signed: 0n
  })
  await channels.putPayee(payee(b, 6n), {
    sessionId: 's',
    channelId: b,
    paid: 6n,
    open: false,
    consumed: 0n,
    signed: 0n
  })
  assert.deepEqual(await channels.payer(a), payer(a, MAX_AMOUNT))
  assert.deepEqual(await channels.payers(), [payer(a, MAX_AMOUNT)])
  assert.deepEqual(await channels.payees(), [payee(b, 6n)])
  assert.equal(await channels.payee(a), undefined)
  assert.deepEqual(await channels.sessions('payer', a), [
    { sessionId: 's', channelId: a, paid: 9n, open: true, consumed: 0n, signed: 7n }
  ])
  assert.deepEqual(await channels.sessions('payee', b), [
    { sessionId: 's', channelId: b, paid: 6n, open: false, consumed: 0n, signed: 0n }
  ])
})

test('what was signed, and the voucher held, never decrease', async (t) => {
  const { channels } = await ledgerOf(t)
  await fc.assert(
    fc.asyncProperty(hex32, fc.array(amount, { minLength: 1, maxLength: 8 }), async (id, amounts) => {
      let highest = 0n
      for (const next of amounts) {
        const writes = await Promise.allSettled([
          channels.putPayer(payer(id, next), {
            sessionId: 's',
            channelId: id,
            paid: next,
            open: true,
            consumed: 0n,
            signed: 0n
          }),
          channels.putPayee(payee(id, next))
        ])
        assert.deepEqual(
          writes.map(({ status }) => status === 'fulfilled'),
          [next >= highest, next >= highest]
        )
        if (next > highest) highest = next
        assert.equal((await channels.payer(id))?.signed, highest)
        assert.equal((await channels.payee(id))?.voucher?.maxClaimableAmount, highest)
        assert.equal((await channels.sessions('payer', id))[0]?.paid, highest, 'the whole write is undone')
      }
      await assert.rejects(channels.putPayee(payee(id)), /never less: none/)
    }),
    { numRuns: 30 }
  )
})

test('spending sums exactly, by seller, session and time', async (t) => {
  const { spending } = (await ledgerOf(t)).book('eip155:1')
  const row = fc.record({
    seller: fc.constantFrom('p', 'q'),
    session: fc.constantFrom('s', 't', 'u'),
    at: fc.integer({ min: 0, max: 4 }).map((minutes) => minutes * 60_000 + 17),
    amount
  })
  const rows: Array<{ seller: string; session: string; at: number; amount: bigint }> = []
  await fc.assert(
    fc.asyncProperty(row, async (one) => {
      rows.push(one)
      await spending.add(one)
      const expected = (keep: (r: (typeof rows)[number]) => boolean): bigint =>
        rows.filter(keep).reduce((sum, r) => sum + r.amount, 0n)
      assert.equal(
        await spending.sum({}),
        expected(() => true)
      )
      assert.equal(
        await spending.sum({ seller: 'p' }),
        expected((r) => r.seller === 'p')
      )
      assert.equal(
        await spending.sum({ session: 's' }),
        expected((r) => r.session === 's')
      )
      // The minute in which `since` falls counts as a whole.
      assert.equal(
        await spending.sum({ since: 125_000, seller: 'q' }),
        expected((r) => r.seller === 'q' && r.at > 120_000)
      )
    }),
    { numRuns: 40 }
  )
  assert.equal(await spending.sum({ seller: 'nobody' }), 0n)
})

test('blocks continue the log, and are found by any offset they hold', async (t) => {
  const { blocks } = await ledgerOf(t)
  const block = (first: bigint, count: number): Parameters<typeof blocks.append>[1] => ({
    first,
    count,
    bytes: new Uint8Array(count * 5).fill(count),
    digest: new Uint8Array(32).fill(count),
    appendedAt: 1_000 * Number(first)
  })
  const opened = await blocks.open('log')
  assert.deepEqual([opened.range, opened.finished], [{ tail: 0n, head: 0n }, false])
  assert.equal(await blocks.offsetAt('log', 0), 0n)
  await Promise.all([
    blocks.append('log', block(0n, 4)),
    blocks.append('log', block(4n, 1)),
    blocks.append('log', block(5n, 9))
  ])
  for (const [offset, first] of [
    [0n, 0n],
    [3n, 0n],
    [4n, 4n],
    [5n, 5n],
    [13n, 5n]
  ] as const) {
    assert.equal((await blocks.readMany('log', offset, 1))[0]?.first, first)
  }
  assert.deepEqual((await blocks.readMany('log', 2n, 1))[0], block(0n, 4))
  for (const offset of [14n, -1n, (1n << 64n) - 1n])
    assert.equal((await blocks.readMany('log', offset, 1))[0], undefined)
  assert.equal((await blocks.readMany('other', 0n, 1))[0], undefined)
  assert.deepEqual(await Promise.all([0, 1, 4_000, 4_001, 6_000].map((time) => blocks.offsetAt('log', time))), [
    0n,
    4n,
    4n,
    5n,
    14n
  ])

  await assert.rejects(blocks.append('log', block(15n, 1)), /log log ends at offset 14, the block starts at 15/)
  await assert.rejects(blocks.append('log', block(5n, 9)), DdmError)
  await assert.rejects(blocks.append('unknown', block(0n, 1)), DdmError)

  await blocks.prune('log', 6n)
  assert.deepEqual((await blocks.open('log')).range, { tail: 5n, head: 14n })
  assert.equal((await blocks.readMany('log', 3n, 1))[0], undefined)
  await blocks.finish('log')
  await assert.rejects(blocks.append('log', block(14n, 1)), /finished/)
  await blocks.prune('log', 1n << 64n)
  const reopened = await blocks.open('log')
  assert.deepEqual(reopened, { epoch: opened.epoch, range: { tail: 14n, head: 14n }, finished: true })
})

test('a great many blocks are pruned a few at a time, so that appends get their turn', async (t) => {
  const { blocks } = await ledgerOf(t)
  await blocks.open('log')
  const add = (first: bigint): Promise<void> =>
    blocks.append('log', { first, count: 2, bytes: new Uint8Array(2), digest: new Uint8Array(32), appendedAt: 1 })
  await Promise.all(Array.from({ length: 700 }, (_, i) => add(2n * BigInt(i))))
  const tail = async (): Promise<bigint> => (await blocks.open('log')).range.tail
  const tails: bigint[] = []
  const pruning = blocks.prune('log', 1_301n)
  for (let i = 0; i < 20; i++) tails.push(await tail())
  await pruning
  assert.ok(
    tails.some((at) => at > 0n && at < 1_300n),
    `the tail went through ${tails.join(', ')}`
  )
  assert.deepEqual((await blocks.open('log')).range, { tail: 1_300n, head: 1_400n })
})

test('meta values are durable texts', async (t) => {
  const path = join(await tempDir(t), 'ledger.db')
  const first = await openLedger({ path })
  assert.equal(await first.meta.get('checkpoint'), undefined)
  await first.meta.set('checkpoint', '1')
  await first.meta.set('checkpoint', '{"number":"2"}')
  await first.close()
  const second = await openLedger({ path })
  assert.equal(await second.meta.get('checkpoint'), '{"number":"2"}')
  await second.close()
})

test('a read sees every write that was queued before it', async (t) => {
  const { meta } = await ledgerOf(t)
  const reads: Array<Promise<string | undefined>> = []
  for (let n = 0; n < 500; n++) {
    void meta.set('n', String(n))
    reads.push(meta.get('n'))
  }
  assert.deepEqual(
    await Promise.all(reads),
    Array.from({ length: 500 }, (_, n) => String(n))
  )
})

test('a log keeps its epoch when reopened, and takes a new one when a copy is put back', async (t) => {
  const dir = await tempDir(t)
  const path = join(dir, 'ledger.db')
  const epoch = async (): Promise<bigint> => {
    const ledger = await openLedger({ path })
    const opened = await ledger.blocks.open('log')
    await ledger.close()
    return opened.epoch
  }
  const first = await epoch()
  assert.equal(await epoch(), first)
  await copyFile(path, join(dir, 'backup.db'))
  assert.equal(await epoch(), first)
  await rm(path)
  await copyFile(join(dir, 'backup.db'), path)
  const restored = await epoch()
  assert.ok(restored > first, `${restored} > ${first}`)
  assert.equal(await epoch(), restored)
})

test('an authorised deposit is kept with its channel, and gone when it is written without', async (t) => {
  const { channels, close } = await openLedger({ path: join(await tempDir(t), 'ledger.db') })
  t.after(close)
  const id: Hex = `0x${'ab'.repeat(32)}`
  const authorization = { salt: 2n ** 256n - 1n, amount: 2n ** 128n - 1n, validBefore: 2n ** 63n }
  await channels.putPayer({ ...payer(id, 10n), authorization })
  assert.deepEqual((await channels.payer(id))?.authorization, authorization)
  await channels.putPayer(payer(id, 10n))
  assert.equal((await channels.payer(id))?.authorization, undefined)
})

test('a channel of a copy that was put back is stale until it is written again', async (t) => {
  const dir = await tempDir(t)
  const path = join(dir, 'ledger.db')
  const id: Hex = `0x${'ab'.repeat(32)}`
  const stale = async (work?: (ledger: Ledger) => Promise<void>): Promise<boolean | undefined> => {
    const ledger = await openLedger({ path })
    await work?.(ledger)
    const channel = await ledger.channels.payer(id)
    await ledger.close()
    return channel?.stale
  }
  assert.equal(await stale(({ channels }) => channels.putPayer(payer(id, 10n))), undefined)
  assert.equal(await stale(), undefined)
  await copyFile(path, join(dir, 'backup.db'))
  await rm(path)
  await copyFile(join(dir, 'backup.db'), path)
  assert.equal(await stale(), true)
  assert.equal(await stale(), true)
  assert.equal(await stale(({ channels }) => channels.putPayer(payer(id, 10n))), undefined)
  assert.equal(await stale(), undefined)
})

test('a read-only ledger reads beside its owner and refuses writes', async (t) => {
  const path = join(await tempDir(t), 'ledger.db')
  const owner = await openLedger({ path })
  t.after(() => owner.close())
  await owner.meta.set('key', 'value')
  const reader = await openLedger({ path, readOnly: true })
  t.after(() => reader.close())
  assert.equal(await reader.meta.get('key'), 'value')
  await assert.rejects(reader.meta.set('key', 'other'), { code: 'config' })
  await owner.meta.set('key', 'later')
  assert.equal(await reader.meta.get('key'), 'later')
})

test('a ledger that cannot be opened says so', async (t) => {
  const dir = await tempDir(t)
  await assert.rejects(openLedger({ path: join(dir, 'missing', 'ledger.db') }), { code: 'config' })
  await assert.rejects(openLedger({ path: join(dir, 'ledger.db'), readOnly: true }), { code: 'config' })
})
