import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../../../src/node/config.ts'
import { createHome, homePaths } from '../../../src/node/home.ts'
import { loadKeys } from '../../../src/node/keys.ts'
import { budgetOf, freezeWallet, isFrozen, setFrozen } from '../../../src/node/wallet.ts'
import { tempDir } from '../../support/temp-dir.ts'

const PEER = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo'
const TOKEN = { symbol: 'USDC', decimals: 6 } as Parameters<typeof budgetOf>[1]

test('frozen is a file of the home: whoever looks sees it, and it stays', async (t) => {
  const root = join(await tempDir(t), 'home')
  await assert.rejects(freezeWallet(root, true), { code: 'notFound', message: /has no wallet yet/ })
  const paths = await createHome(root)
  const { wallet } = await loadKeys(paths, { create: true, passphrase: 'a passphrase that is long' })
  assert.equal(isFrozen(paths), false)
  assert.equal(await freezeWallet(root, true), wallet.address, 'needs no passphrase')
  assert.equal(isFrozen(homePaths(root)), true)
  await setFrozen(paths, true)
  assert.equal(isFrozen(paths), true)
  await freezeWallet(root, false)
  await freezeWallet(root, false)
  assert.equal(isFrozen(paths), false)
})

test('a home that cannot be looked at counts as frozen', async (t) => {
  const root = await tempDir(t)
  assert.equal(isFrozen(homePaths(join(root, 'x'.repeat(300)))), true)
  await mkdir(join(root, 'wallet.frozen'))
  assert.equal(isFrozen(homePaths(root)), true)
})

test('caps come from the settings, in atomic units; a seller that is no peer ID is refused by name', async () => {
  const { config } = await loadConfig({ env: { DDM_BUDGET_PER_DAY: '0.5', DDM_BUDGET_SELLERS: PEER } })
  const { perDay, perRecord, deposit, sellers } = budgetOf(config, TOKEN)
  assert.deepEqual([perDay, perRecord, deposit, sellers], [500_000n, 100_000n, 10_000_000n, [PEER]])
  await assert.rejects(loadConfig({ env: { DDM_BUDGET_SELLERS: 'bob' } }), {
    code: 'config',
    message: /DDM_BUDGET_SELLERS is "bob"; give peer IDs/
  })
})
