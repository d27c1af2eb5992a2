import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Browser } from 'playwright-core'
import { rpcCall } from '../integration/chain-fixture.ts'
import { ddm } from '../integration/cli-process.ts'
import { call, type Market, type Trader } from './market-fixture.ts'
import { openPage, POLL_MS, place } from './market-page.ts'

interface Channel {
  role: 'payer' | 'payee'
  balance: string
  paid: string
  unclaimed: string
  unspent: string
  pendingWithdrawal: string
  finalizeAfter: string
}

/** What a session leaves: its receipt, what was earned and what is left of the deposit. */
export async function deposits(t: TestContext, browser: Browser, { seller, buyer, network }: Market): Promise<void> {
  const channelOf = async (trader: Trader): Promise<Channel> => {
    const [channel, ...others] = await call<Channel[]>(trader, 'GET', '/v1/channels')
    assert.equal(others.length, 0)
    return channel ?? assert.fail('no channel')
  }
  const until = async (trader: Trader, fits: (channel: Channel) => boolean): Promise<Channel> => {
    for (;;) {
      const channel = await channelOf(trader)
      if (fits(channel)) return channel
      await buys.page.waitForTimeout(POLL_MS)
    }
  }
  const sells = await openPage(t, browser, seller)
  await place(sells.page, 'Money').click()
  await sells.page.getByRole('button', { name: 'Claim' }).click()
  const claimed = sells.page.getByRole('status').filter({ hasText: 'claimed' })
  await claimed
    .getByRole('button', { name: /^Copy transaction 0x/ })
    .first()
    .waitFor()
  assert.equal(await claimed.getByRole('link').count(), 0, 'the profile of the seller names no explorer')
  assert.equal((await channelOf(seller)).unclaimed, '0')

  const buys = await openPage(t, browser, buyer)
  await place(buys.page, 'Money').click()
  const [receipt] = await Promise.all([
    buys.page.waitForEvent('download'),
    buys.page.getByRole('table', { name: 'Sessions' }).getByRole('button', { name: 'Save' }).first().click()
  ])
  const verified = await ddm(['receipts', 'verify', await receipt.path(), '--json'])
  assert.equal(verified.code, 0, verified.stderr)

  const row = buys.page.getByRole('table', { name: 'Channels' }).locator('tbody tr')
  await row.getByRole('button', { name: 'Ask the seller' }).click()
  const { balance, paid } = await until(buyer, ({ unspent }) => unspent === '0')
  assert.equal(balance, paid, 'what is left was spent')
  await row.getByRole('button', { name: 'Ask the seller' }).waitFor({ state: 'detached' })

  const [wells] = await call<Array<{ id: string }>>(buyer, 'GET', '/v1/listings?text=wells')
  const options = { records: '5', from: '10', max: { units: '50000' } }
  const { purchase } = await call<{ purchase: string; outcome?: object }>(buyer, 'POST', '/v1/purchases', {
    listing: wells?.id,
    options
  })
  const bought = () => call<{ purchase: string; outcome?: object }>(buyer, 'GET', `/v1/purchases/${purchase}`)
  while ((await bought()).outcome === undefined) await buys.page.waitForTimeout(POLL_MS)
  await row.getByRole('button', { name: 'Without the seller' }).click()
  await row.getByRole('button', { name: 'Ask the ledger: it takes its delay' }).click()
  await row.getByText(/^after /).waitFor()
  const { finalizeAfter, pendingWithdrawal } = await channelOf(buyer)
  assert.notEqual(pendingWithdrawal, '0')
  await rpcCall(network.rpc, 'evm_setNextBlockTimestamp', [Number(finalizeAfter) + 1])
  await rpcCall(network.rpc, 'evm_mine')
  await buys.page.clock.setFixedTime(new Date(Number(finalizeAfter) * 1000 + 1000))
  await row.getByRole('button', { name: 'Finish' }).click()
  const taken = await until(buyer, (channel) => channel.pendingWithdrawal === '0')
  assert.equal(taken.balance, taken.paid)
  assert.deepEqual([...sells.faults, ...buys.faults], [])
}
