import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hashTypedData, recoverAddress } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import type { ChannelConfig, Hex } from '../../../src/interface/index.ts'
import { createEip712, encodeCollectorData, malformedSignature } from '../../../src/payments/index.ts'
import { fromHex, toHex } from '../../../src/statements/index.ts'
import {
  channelIdOf,
  depositNonceOf,
  encodeCollector,
  escrowDomain,
  SPOILED,
  separatorOf,
  sessionDomain,
  signSession,
  signVoucher,
  TYPES
} from '../../compliance/payments/typed-data.ts'

const eip712 = await createEip712()
const hex = (length: number): fc.Arbitrary<Hex> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => toHex(bytes))
const uint = (bits: bigint): fc.Arbitrary<bigint> =>
  fc.oneof(fc.bigInt({ min: 0n, max: 2n ** bits - 1n }), fc.constantFrom(0n, 1n, 2n ** 53n - 1n, 2n ** bits - 1n))
const address = hex(20)
const place = fc.record({ chainId: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), escrow: address })
const key = hex(32).filter((bytes) => {
  const value = BigInt(bytes)
  return value > 0n && value < 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
})
const config: fc.Arbitrary<ChannelConfig> = fc.record({
  payer: address,
  payerAuthorizer: address,
  receiver: address,
  receiverAuthorizer: address,
  token: address,
  withdrawDelay: fc.integer({ min: 0, max: 2 ** 40 - 1 }),
  salt: hex(32)
})
const binding = fc.record({ offerDigest: hex(32), buyerPeerDigest: hex(32), orderNonce: hex(32) })

test('domain separators are those of viem', () => {
  fc.assert(
    fc.property(place, ({ chainId, escrow }) => {
      assert.equal(toHex(eip712.escrowDomain(chainId, escrow)), separatorOf(escrowDomain({ chainId, escrow })))
      assert.equal(toHex(eip712.sessionDomain(chainId, escrow)), separatorOf(sessionDomain({ chainId, escrow })))
    }),
    { numRuns: 50 }
  )
})

test('channel IDs are those of viem', () => {
  fc.assert(
    fc.property(place, config, (at, channel) => {
      assert.equal(eip712.channelId(eip712.escrowDomain(at.chainId, at.escrow), channel), channelIdOf(at, channel))
    }),
    { numRuns: 50 }
  )
})

test('vouchers: digest and signature are those of viem, and recover', async () => {
  await fc.assert(
    fc.asyncProperty(place, hex(32), uint(128n), key, async (at, channelId, amount, secret) => {
      const digest = eip712.voucher(eip712.escrowDomain(at.chainId, at.escrow), channelId, amount)
      const message = { channelId, maxClaimableAmount: amount }
      const typed = { domain: escrowDomain(at), types: TYPES, primaryType: 'Voucher', message } as const
      assert.equal(toHex(digest), hashTypedData(typed))
      const signature = eip712.sign(digest, fromHex(secret))
      assert.equal(signature, (await signVoucher(secret, at, channelId, amount)).signature)
      const signer = privateKeyToAccount(secret).address.toLowerCase()
      assert.equal(eip712.recover(digest, signature), signer)
      assert.equal((await recoverAddress({ hash: toHex(digest), signature })).toLowerCase(), signer)
      assert.equal(malformedSignature(signature), undefined)
    }),
    { numRuns: 30 }
  )
})

test('session authorizations are those of viem', async () => {
  await fc.assert(
    fc.asyncProperty(place, hex(32), binding, key, async (at, channelId, order, secret) => {
      const digest = eip712.session(eip712.sessionDomain(at.chainId, at.escrow), channelId, order)
      assert.equal(eip712.sign(digest, fromHex(secret)), await signSession(secret, at, channelId, order))
    }),
    { numRuns: 30 }
  )
})

test('EIP-3009 authorizations, their nonces and the calldata of the collector are those of viem', () => {
  const authorization = fc.record({
    from: address,
    to: address,
    value: uint(256n),
    validAfter: uint(256n),
    validBefore: uint(256n),
    nonce: hex(32)
  })
  const signature = fc.uint8Array({ maxLength: 100 }).map((bytes) => toHex(bytes))
  fc.assert(
    fc.property(place, authorization, uint(256n), signature, (at, message, salt, signed) => {
      const domain = { name: 'USD Coin', version: '2', chainId: at.chainId, verifyingContract: at.escrow }
      const typed = { domain, types: TYPES, primaryType: 'ReceiveWithAuthorization', message } as const
      assert.equal(toHex(eip712.receiveAuthorization(eip712.domain(domain), message)), hashTypedData(typed))
      assert.equal(eip712.depositNonce(message.nonce, salt), depositNonceOf(message.nonce, salt))
      const { validAfter, validBefore } = message
      const data = encodeCollectorData(validAfter, validBefore, salt, signed)
      assert.equal(data, encodeCollector(validAfter, validBefore, salt, signed))
    }),
    { numRuns: 50 }
  )
})

test('spoiled signatures are malformed or somebody else’s', () => {
  fc.assert(
    fc.property(hex(32), key, (digest, secret) => {
      const bytes = fromHex(digest)
      const signer = eip712.recover(bytes, eip712.sign(bytes, fromHex(secret)))
      for (const { name, spoil } of SPOILED) {
        const bad = spoil(eip712.sign(bytes, fromHex(secret)))
        const refused = malformedSignature(bad) !== undefined || eip712.recover(bytes, bad) !== signer
        assert.ok(refused, name)
      }
    }),
    { numRuns: 20 }
  )
  for (const text of ['', '0x', `0x${'zz'.repeat(65)}`, 'ff'.repeat(66), `0x${'00'.repeat(64)}1`]) {
    assert.notEqual(malformedSignature(text as Hex), undefined, text)
  }
})

test('whatever the bytes are, recovering throws nothing', () => {
  fc.assert(
    fc.property(hex(32), hex(65), (digest, signature) => {
      const signer = eip712.recover(fromHex(digest), signature)
      assert.ok(signer === undefined || /^0x[0-9a-f]{40}$/.test(signer))
    }),
    { numRuns: 200 }
  )
})
