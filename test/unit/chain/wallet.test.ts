import assert from 'node:assert/strict'
import { test } from 'node:test'
import { privateKeyToAccount } from 'viem/accounts'
import { openWallet, signerOf } from '../../../src/chain/wallet.ts'
import type { Hex } from '../../../src/interface/index.ts'

const KEY: Hex = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

test('a signer has the address of its key, and signs as the library does', async () => {
  const account = privateKeyToAccount(KEY)
  const signer = signerOf(KEY)
  assert.equal(signer.address, account.address)
  const transaction = {
    type: 'eip1559',
    chainId: 1,
    nonce: 3,
    gas: 21_000n,
    maxFeePerGas: 5n,
    to: account.address
  } as const
  for (let i = 0; i < 2; i++) {
    assert.equal(await signer.signTransaction(transaction), await account.signTransaction(transaction))
  }
})

test('what is no key is refused without showing it, and a key of another account as well', () => {
  const notKeys = [
    '0x',
    '0x12',
    `0x${'0'.repeat(64)}`,
    `0x${'f'.repeat(64)}`,
    `0x${'g'.repeat(64)}`,
    KEY.slice(0, -1),
    `${KEY}00`
  ] as Hex[]
  for (const wrong of notKeys) {
    assert.throws(
      () => signerOf(wrong),
      (error: Error & { code?: string }) =>
        error.code === 'config' && error.cause === undefined && (wrong.length < 5 || !error.message.includes(wrong)),
      wrong
    )
  }
  const account = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
  assert.throws(() => openWallet({ account, privateKey: KEY }), /the wallet's key belongs to 0xf39F/)
})
