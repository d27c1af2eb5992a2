import { createHash } from 'node:crypto'
import type { Address, ChannelConfig, Hex, SessionBinding } from '../../../src/interface/index.ts'
import { encodeCollectorData } from '../../../src/payments/index.ts'
import { toHex } from '../../../src/statements/index.ts'
import { SPOILED } from '../../compliance/payments/typed-data.ts'
import { eip712 } from './memory.ts'

const CHAIN_ID = 31337
const ESCROW: Address = `0x${'e5'.repeat(20)}`
const COLLECTOR: Address = `0x${'c0'.repeat(20)}`
const TOKEN = { address: `0x${'cc'.repeat(20)}`, name: 'USD Coin', version: '2' } as const
const AMOUNTS = [0n, 1n, 2n ** 53n - 1n, 2n ** 64n - 1n, 2n ** 128n - 1n]

/** Made of a name, so that nobody takes it for a key of his own. */
const bytesOf = (name: string): Uint8Array => new Uint8Array(createHash('sha256').update(`ddm ${name}`).digest())
const hashOf = (name: string): Hex => toHex(bytesOf(name))

function keyOf(name: string): { privateKey: Hex; address: Address } {
  const digest = bytesOf('any digest')
  const address = eip712.recover(digest, eip712.sign(digest, bytesOf(name)))
  if (address === undefined) throw new Error(`${name} is no key`)
  return { privateKey: hashOf(name), address }
}

/** All vectors of docs/specs/payments.md, made by this implementation. */
export function makePaymentVectors() {
  const keys = {
    payer: keyOf('payer'),
    payerAuthorizer: keyOf('payerAuthorizer'),
    receiverAuthorizer: keyOf('receiverAuthorizer')
  }
  const escrow = eip712.escrowDomain(CHAIN_ID, ESCROW)
  const session = eip712.sessionDomain(CHAIN_ID, ESCROW)
  const token = eip712.domain({ ...TOKEN, chainId: CHAIN_ID, verifyingContract: TOKEN.address })
  const first: ChannelConfig = {
    payer: keys.payer.address,
    payerAuthorizer: keys.payerAuthorizer.address,
    receiver: `0x${'5e'.repeat(20)}`,
    receiverAuthorizer: `0x${'5a'.repeat(20)}`,
    token: TOKEN.address,
    withdrawDelay: 86_400,
    salt: hashOf('salt')
  }
  const channels = [first, { ...first, withdrawDelay: 900, salt: hashOf('another salt') }].map((config) => ({
    config,
    channelId: eip712.channelId(escrow, config)
  }))
  const channelId = eip712.channelId(escrow, first)
  const voucher = (amount: bigint) => {
    const digest = eip712.voucher(escrow, channelId, amount)
    const signature = eip712.sign(digest, bytesOf('payerAuthorizer'))
    return { channelId, maxClaimableAmount: String(amount), digest: toHex(digest), signature }
  }
  const good = voucher(1000n)
  const foreign = eip712.sign(eip712.voucher(escrow, channelId, 1000n), bytesOf('payer'))
  const elsewhere = (chainId: number, contract: Address) =>
    eip712.sign(eip712.voucher(eip712.escrowDomain(chainId, contract), channelId, 1000n), bytesOf('payerAuthorizer'))
  const invalid: Array<{ name: string; signature: Hex }> = [
    ...SPOILED.map(({ name, spoil }) => ({ name, signature: spoil(good.signature) })),
    { name: 'signed by the payer instead of the payerAuthorizer', signature: foreign },
    { name: 'signed for chain 1', signature: elsewhere(1, ESCROW) },
    { name: 'signed for another escrow', signature: elsewhere(CHAIN_ID, COLLECTOR) },
    { name: 'signed for another amount', signature: voucher(1001n).signature }
  ]
  const bindings: SessionBinding[] = ['first', 'second'].map((name) => ({
    offerDigest: hashOf(`${name} offer`),
    buyerPeerDigest: hashOf('buyer'),
    orderNonce: `${hashOf(`${name} nonce`).slice(0, 34)}${'00'.repeat(16)}` as Hex
  }))
  return {
    spec: 'docs/specs/payments.md',
    chainId: CHAIN_ID,
    escrow: ESCROW,
    token: TOKEN,
    collector: COLLECTOR,
    keys,
    domains: { escrow: toHex(escrow), session: toHex(session), token: toHex(token) },
    channels,
    vouchers: AMOUNTS.map(voucher),
    invalidVouchers: invalid.map(({ name, signature }) => ({ name, ...good, signature })),
    sessions: bindings.map((binding) => {
      const digest = eip712.session(session, channelId, binding)
      return {
        channelId,
        ...binding,
        digest: toHex(digest),
        signature: eip712.sign(digest, bytesOf('payerAuthorizer'))
      }
    }),
    refunds: AMOUNTS.slice(1).map((amount, index) => {
      const nonce = AMOUNTS[index] as bigint
      const digest = eip712.refund(escrow, channelId, nonce, amount)
      const signature = eip712.sign(digest, bytesOf('receiverAuthorizer'))
      return { channelId, nonce: String(nonce), amount: String(amount), digest: toHex(digest), signature }
    }),
    deposits: AMOUNTS.slice(1).map((amount, index) => {
      const salt = AMOUNTS[index] as bigint
      const validBefore = 1_800_000_000n
      const nonce = eip712.depositNonce(channelId, salt)
      const from = keys.payer.address
      const fields = { from, to: COLLECTOR, value: amount, validAfter: 0n, validBefore, nonce }
      const digest = eip712.receiveAuthorization(token, fields)
      const signature = eip712.sign(digest, bytesOf('payer'))
      const data = encodeCollectorData(0n, validBefore, salt, signature)
      const numbers = { amount: String(amount), salt: String(salt), validAfter: '0', validBefore: String(validBefore) }
      return { channelId, ...numbers, nonce, digest: toHex(digest), signature, data }
    })
  }
}

export type PaymentVectors = ReturnType<typeof makePaymentVectors>
