import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { decodeAbiParameters, hashTypedData, recoverAddress } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import type { VoucherPayload } from '../../../src/interface/index.ts'
import { voucherProblem } from '../../../src/payments/index.ts'
import { fromHex } from '../../../src/statements/index.ts'
import {
  channelIdOf,
  depositNonceOf,
  escrowDomain,
  separatorOf,
  sessionDomain,
  signRefund,
  signSession,
  signVoucher,
  TYPES
} from '../../compliance/payments/typed-data.ts'
import { makePaymentVectors, type PaymentVectors } from './make-vectors.ts'
import { eip712 } from './memory.ts'

// DDM_WRITE_VECTORS=1 node --test test/unit/payments/vectors.test.ts writes the file anew.
const FILE = new URL('../../../docs/specs/vectors/payments.json', import.meta.url)
if (process.env.DDM_WRITE_VECTORS === '1') {
  await writeFile(FILE, `${JSON.stringify(makePaymentVectors(), null, 2)}\n`)
}
const vectors: PaymentVectors = JSON.parse(await readFile(FILE, 'utf8'))
const { keys, token, collector } = vectors
const place = { chainId: vectors.chainId, escrow: vectors.escrow }
const tokenDomain = {
  name: token.name,
  version: token.version,
  chainId: place.chainId,
  verifyingContract: token.address
}

test('the committed vectors are those that this implementation makes', () => {
  assert.deepEqual(vectors, JSON.parse(JSON.stringify(makePaymentVectors())))
})

test('keys, domains and channel IDs are those of an independent implementation', () => {
  for (const { privateKey, address } of Object.values(keys)) {
    assert.equal(privateKeyToAccount(privateKey).address.toLowerCase(), address)
  }
  assert.deepEqual(vectors.domains, {
    escrow: separatorOf(escrowDomain(place)),
    session: separatorOf(sessionDomain(place)),
    token: separatorOf(tokenDomain)
  })
  for (const { config, channelId } of vectors.channels) assert.equal(channelIdOf(place, config), channelId)
})

/** As a reader takes it from the file: everything is judged by the bytes there. */
function judge({ channelId, maxClaimableAmount, signature }: PaymentVectors['vouchers'][number]): string | undefined {
  const voucher: VoucherPayload = { channelId, maxClaimableAmount: BigInt(maxClaimableAmount), signature }
  const expected = { channelId, payerAuthorizer: keys.payerAuthorizer.address }
  return voucherProblem(eip712, fromHex(vectors.domains.escrow), voucher, expected)
}

test('vouchers: from the file to a verdict, and made again from their fields', async () => {
  assert.deepEqual(
    vectors.vouchers.map(({ maxClaimableAmount }) => BigInt(maxClaimableAmount)),
    [0n, 1n, 2n ** 53n - 1n, 2n ** 64n - 1n, 2n ** 128n - 1n]
  )
  for (const vector of vectors.vouchers) {
    const { channelId, maxClaimableAmount, digest, signature } = vector
    assert.equal(judge(vector), undefined)
    const hash = eip712.voucher(fromHex(vectors.domains.escrow), channelId, BigInt(maxClaimableAmount))
    assert.deepEqual(hash, fromHex(digest))
    const made = await signVoucher(keys.payerAuthorizer.privateKey, place, channelId, BigInt(maxClaimableAmount))
    assert.equal(made.signature, signature)
  }
})

test('vouchers that a seller must refuse', () => {
  assert.ok(vectors.invalidVouchers.length >= 8)
  for (const vector of vectors.invalidVouchers) assert.notEqual(judge(vector), undefined, vector.name)
})

test('session authorizations', async () => {
  for (const { channelId, digest, signature, ...binding } of vectors.sessions) {
    assert.equal(await signSession(keys.payerAuthorizer.privateKey, place, channelId, binding), signature)
    const hash = eip712.session(fromHex(vectors.domains.session), channelId, binding)
    assert.deepEqual(hash, fromHex(digest))
    assert.equal((await recoverAddress({ hash: digest, signature })).toLowerCase(), keys.payerAuthorizer.address)
  }
})

test('refunds', async () => {
  for (const { channelId, nonce, amount, digest, signature } of vectors.refunds) {
    const refund = { channelId, nonce: BigInt(nonce), amount: BigInt(amount) }
    assert.equal(await signRefund(keys.receiverAuthorizer.privateKey, place, refund), signature)
    const hash = eip712.refund(fromHex(vectors.domains.escrow), channelId, refund.nonce, refund.amount)
    assert.deepEqual(hash, fromHex(digest))
    assert.equal((await recoverAddress({ hash: digest, signature })).toLowerCase(), keys.receiverAuthorizer.address)
  }
})

test('deposits: nonce, digest, signature and the calldata of the collector', async () => {
  for (const { channelId, amount, salt, validAfter, validBefore, nonce, digest, signature, data } of vectors.deposits) {
    assert.equal(depositNonceOf(channelId, BigInt(salt)), nonce)
    const message = {
      from: keys.payer.address,
      to: collector,
      value: BigInt(amount),
      validAfter: BigInt(validAfter),
      validBefore: BigInt(validBefore),
      nonce
    }
    const typed = { domain: tokenDomain, types: TYPES, primaryType: 'ReceiveWithAuthorization', message } as const
    assert.equal(hashTypedData(typed), digest)
    assert.equal(await privateKeyToAccount(keys.payer.privateKey).signTypedData(typed), signature)
    const types = [{ type: 'uint256' }, { type: 'uint256' }, { type: 'uint256' }, { type: 'bytes' }] as const
    const decoded = decodeAbiParameters(types, data)
    assert.deepEqual(decoded, [BigInt(validAfter), BigInt(validBefore), BigInt(salt), signature])
  }
})
