import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ChannelStanding, Payee, Payer, SessionRecord } from '../../../src/interface/index.ts'
import { confirmedBySeller } from '../../../src/node/confirmed.ts'
import { exposureOfSession, totalExposure } from '../../../src/node/exposure.ts'
import { signStatement, statementLink } from '../../../src/statements/index.ts'
import { openLedger } from '../../../src/storage/index.ts'
import { makeSigner } from '../../support/sdpp.ts'
import { tempDir } from '../../support/temp-dir.ts'

const NONE = {
  balance: 0n,
  unconfirmed: 0n,
  paid: 0n,
  claimed: 0n,
  unclaimed: 0n,
  unspent: 0n,
  ahead: 0n,
  pendingWithdrawal: 0n
}

function channelsOf(...standings: Array<Partial<ChannelStanding>>) {
  const channels = standings.map((one) => ({ ...NONE, finalizeAfter: 0n, ...one }) as ChannelStanding)
  return { list: async () => channels }
}

test('the bound of a node is the sum over its sessions and over its channels, each channel once', async (t) => {
  const ledger = await openLedger({ path: join(await tempDir(t), 'ledger.db') })
  t.after(() => ledger.close())
  let made = 0
  const put = (session: Pick<SessionRecord, 'role' | 'state'> & Partial<SessionRecord>) =>
    ledger.sessions.put({
      id: `s${++made}`,
      listingId: '0x01',
      listingCid: 'c',
      peer: 'p',
      rail: 'evm',
      channelId: '0x0c',
      start: 0n,
      position: 0n,
      checkpoint: { position: 0n, root: new Uint8Array(32), records: 0n, bytes: 0n },
      due: 0n,
      paid: 0n,
      credit: 0n,
      openedAt: made,
      updatedAt: made,
      ...session
    })
  // Two open sessions of one channel: the credit of one, more than that of the other after a cut.
  await put({ role: 'seller', state: 'streaming', due: 90n, paid: 80n, credit: 25n })
  await put({ role: 'seller', state: 'suspended', due: 130n, paid: 100n, credit: 25n })
  // Ended: even, paid ahead, and with a debt that has more digits than what was paid.
  await put({ role: 'seller', state: 'closed', due: 50n, paid: 50n, credit: 25n })
  await put({ role: 'seller', state: 'receipted', due: 50n, paid: 100n, credit: 25n })
  await put({ role: 'seller', state: 'abandoned', due: 100n, paid: 99n, credit: 25n })
  await put({ role: 'seller', state: 'streaming', rail: 'iota', due: 3n, paid: 1n, credit: 4_000n })
  await put({ role: 'buyer', state: 'streaming', due: 5n, paid: 9n, credit: 6n })
  await put({ role: 'buyer', state: 'closed', due: 5n, paid: 11n, credit: 6n })
  await put({ role: 'buyer', state: 'receipted', due: 5n, paid: 11n, credit: 6n })
  await put({ role: 'buyer', state: 'abandoned', due: 9n, paid: 11n, credit: 6n })

  const payees = [
    { rail: 'evm', channels: channelsOf({ unclaimed: 400n, unconfirmed: 3n }, { unclaimed: 30n }) },
    { rail: 'iota' },
    { rail: 'free' }
  ] as unknown as Payee[]
  const payers = [
    {
      rail: 'evm',
      channels: channelsOf({ balance: 900n, unspent: 700n, pendingWithdrawal: 200n }, { unconfirmed: 50n })
    }
  ] as unknown as Payer[]
  assert.deepEqual(await totalExposure({ payees, payers, ledger }), [
    { role: 'seller', rail: 'evm', window: 56n, unclaimed: 430n, unconfirmed: 3n, locked: 0n, bound: 489n },
    { role: 'seller', rail: 'iota', window: 4_000n, unclaimed: 0n, unconfirmed: 0n, locked: 0n, bound: 4_000n },
    { role: 'buyer', rail: 'evm', window: 8n, unclaimed: 0n, unconfirmed: 0n, locked: 950n, bound: 958n }
  ])
})

test('what was signed and is not confirmed is pending, until the seller says that it has it or the session has ended', async (t) => {
  const ledger = await openLedger({ path: join(await tempDir(t), 'ledger.db') })
  t.after(() => ledger.close())
  const seller = await makeSigner()
  const session = statementLink(new Uint8Array([1]))
  const record: SessionRecord = {
    ...{ id: session.toString(), role: 'buyer', state: 'streaming', rail: 'free', peer: seller.peerId },
    ...{ listingId: '0x01', listingCid: 'c', start: 0n, position: 0n, openedAt: 1, updatedAt: 1 },
    checkpoint: { position: 0n, root: new Uint8Array(32), records: 0n, bytes: 0n },
    ...{ due: 90n, paid: 100n, credit: 20n }
  }
  const pending = async (change: Partial<SessionRecord> = {}): Promise<bigint> => {
    const { sessions, channels } = ledger
    const confirmed = (one: SessionRecord): Promise<bigint> => confirmedBySeller(one, sessions)
    const exposure = await exposureOfSession({ ...record, ...change }, { payers: [], payees: [], channels, confirmed })
    return exposure.pending
  }
  await ledger.sessions.put(record)
  assert.equal(await pending(), 100n)
  const root = new Uint8Array(32)
  const invoice = signStatement(seller, 'invoice', { session, n: 9n, bytes: 9n, due: 90n, credited: 70n, root }, 5)
  await ledger.sessions.put(record, { statements: [invoice] })
  assert.equal(await pending(), 30n)
  assert.equal(await pending({ paid: 70n }), 0n)
  assert.equal(await pending({ state: 'closed' }), 0n)
})

test('what was paid ahead and not used is at risk when its session has ended, until a later one uses it', async (t) => {
  const ledger = await openLedger({ path: join(await tempDir(t), 'ledger.db') })
  t.after(() => ledger.close())
  const record: SessionRecord = {
    ...{ id: 's1', role: 'buyer', state: 'closed', rail: 'evm', peer: 'p', channelId: '0x0c' },
    ...{ listingId: '0x01', listingCid: 'c', start: 0n, position: 0n, openedAt: 1, updatedAt: 1 },
    checkpoint: { position: 0n, root: new Uint8Array(32), records: 0n, bytes: 0n },
    ...{ due: 10n, paid: 30n, credit: 20n }
  }
  await ledger.sessions.put(record)
  const risk = async (change: Partial<ChannelStanding>) => {
    const channel = { channelId: '0x0c', balance: 100n, paid: 30n, ...change } as const
    const payers = [{ rail: 'evm', channels: channelsOf(channel) }] as unknown as Payer[]
    const { channels } = ledger
    const parts = { payers, payees: [], channels, confirmed: async () => 0n }
    const { window, locked, bound } = await exposureOfSession(record, parts)
    const [total] = await totalExposure({ payees: [], payers, ledger })
    return [window, locked, bound, total?.window, total?.locked, total?.bound]
  }
  assert.deepEqual(await risk({ unspent: 90n, ahead: 20n }), [20n, 70n, 20n, 20n, 70n, 90n])
  assert.deepEqual(await risk({ unspent: 75n, ahead: 5n }), [5n, 70n, 5n, 5n, 70n, 75n])
  assert.deepEqual(await risk({ unspent: 70n, claimed: 30n, ahead: 20n }), [20n, 70n, 20n, 20n, 70n, 90n])
  assert.deepEqual(await risk({ unspent: 70n, ahead: 0n }), [0n, 70n, 0n, 0n, 70n, 70n])
})
