import { encodeAbiParameters, hashDomain, hashTypedData, keccak256 } from 'viem'
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import type { Address, ChannelConfig, Hex, SessionBinding, VoucherPayload } from '../../../src/interface/index.ts'

/** What the rail hashes by hand, said to viem: the two must agree. */
export const TYPES = {
  ChannelConfig: [
    { name: 'payer', type: 'address' },
    { name: 'payerAuthorizer', type: 'address' },
    { name: 'receiver', type: 'address' },
    { name: 'receiverAuthorizer', type: 'address' },
    { name: 'token', type: 'address' },
    { name: 'withdrawDelay', type: 'uint40' },
    { name: 'salt', type: 'bytes32' }
  ],
  Voucher: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'maxClaimableAmount', type: 'uint128' }
  ],
  Refund: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'nonce', type: 'uint256' },
    { name: 'amount', type: 'uint128' }
  ],
  SessionAuth: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'offerDigest', type: 'bytes32' },
    { name: 'buyerPeerDigest', type: 'bytes32' },
    { name: 'orderNonce', type: 'bytes32' }
  ],
  ReceiveWithAuthorization: [
    { name: 'from', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'validAfter', type: 'uint256' },
    { name: 'validBefore', type: 'uint256' },
    { name: 'nonce', type: 'bytes32' }
  ]
} as const

const DOMAIN_TYPE = [
  { name: 'name', type: 'string' },
  { name: 'version', type: 'string' },
  { name: 'chainId', type: 'uint256' },
  { name: 'verifyingContract', type: 'address' }
] as const

export interface Domain {
  name: string
  version: string
  chainId: number
  verifyingContract: Address
}

export interface Place {
  chainId: number
  escrow: Address
}

export const escrowDomain = ({ chainId, escrow }: Place): Domain => ({
  name: 'x402 Batch Settlement',
  version: '1',
  chainId,
  verifyingContract: escrow
})

export const sessionDomain = ({ chainId, escrow }: Place): Domain => ({
  name: 'DDM SDPP',
  version: '2',
  chainId,
  verifyingContract: escrow
})

export function separatorOf(domain: Domain): Hex {
  return hashDomain({
    domain: { ...domain, chainId: BigInt(domain.chainId) },
    types: { EIP712Domain: [...DOMAIN_TYPE] }
  })
}

export function channelIdOf(place: Place, config: ChannelConfig): Hex {
  return hashTypedData({ domain: escrowDomain(place), types: TYPES, primaryType: 'ChannelConfig', message: config })
}

export async function signVoucher(
  key: Hex,
  place: Place,
  channelId: Hex,
  maxClaimableAmount: bigint
): Promise<VoucherPayload> {
  const message = { channelId, maxClaimableAmount }
  const typed = { domain: escrowDomain(place), types: TYPES, primaryType: 'Voucher', message } as const
  return { ...message, signature: await privateKeyToAccount(key).signTypedData(typed) }
}

export function signSession(key: Hex, place: Place, channelId: Hex, binding: SessionBinding): Promise<Hex> {
  const message = { channelId, ...binding }
  return privateKeyToAccount(key).signTypedData({
    domain: sessionDomain(place),
    types: TYPES,
    primaryType: 'SessionAuth',
    message
  })
}

export function depositNonceOf(channelId: Hex, salt: bigint): Hex {
  return keccak256(encodeAbiParameters([{ type: 'bytes32' }, { type: 'uint256' }], [channelId, salt]))
}

export async function signDeposit(
  payer: PrivateKeyAccount,
  domain: Domain,
  deposit: { collector: Address; channelId: Hex; amount: bigint; salt: bigint; validBefore: bigint }
): Promise<Hex> {
  const { collector, channelId, amount, salt, validBefore } = deposit
  const signature = await payer.signTypedData({
    domain,
    types: TYPES,
    primaryType: 'ReceiveWithAuthorization',
    message: {
      from: payer.address,
      to: collector,
      value: amount,
      validAfter: 0n,
      validBefore,
      nonce: depositNonceOf(channelId, salt)
    }
  })
  return encodeCollector(0n, validBefore, salt, signature)
}

export function encodeCollector(validAfter: bigint, validBefore: bigint, salt: bigint, signature: Hex): Hex {
  const types = [{ type: 'uint256' }, { type: 'uint256' }, { type: 'uint256' }, { type: 'bytes' }] as const
  return encodeAbiParameters(types, [validAfter, validBefore, salt, signature])
}

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** Ways to spoil a good signature: what each becomes, and why it must be refused. */
export const SPOILED: Array<{ name: string; spoil: (signature: Hex) => Hex; reason: RegExp }> = [
  {
    name: 'flipped v',
    spoil: (signature) => withV(signature, vOf(signature) === 27 ? 28 : 27),
    reason: /^the voucher is signed by 0x[0-9a-f]{40}, the channel's authorizer is 0x[0-9a-f]{40}$/
  },
  {
    name: 'v = 0 or 1',
    spoil: (signature) => withV(signature, vOf(signature) - 27),
    reason: /^the recovery byte of a signature is 27 or 28, not [01]$/
  },
  {
    name: 'high s, the malleated twin',
    spoil: (signature) => {
      const s = (ORDER - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, '0')
      return withV(`${signature.slice(0, 66)}${s}00` as Hex, vOf(signature) === 27 ? 28 : 27)
    },
    reason: /^the signature has a high s$/
  },
  {
    name: '64 bytes',
    spoil: (signature) => signature.slice(0, 130) as Hex,
    reason: /^a signature has 65 bytes, not 64$/
  },
  { name: '66 bytes', spoil: (signature) => `${signature}00`, reason: /^a signature has 65 bytes, not 66$/ },
  {
    name: 'r = 0',
    spoil: (signature) => `0x${'00'.repeat(32)}${signature.slice(66)}`,
    reason: /^the voucher is signed by nobody, the channel's authorizer is 0x[0-9a-f]{40}$/
  }
]

function vOf(signature: Hex): number {
  return Number.parseInt(signature.slice(130), 16)
}

function withV(signature: Hex, v: number): Hex {
  return `${signature.slice(0, 130)}${v.toString(16).padStart(2, '0')}` as Hex
}

export async function signRefund(
  key: Hex,
  place: Place,
  refund: { channelId: Hex; nonce: bigint; amount: bigint }
): Promise<Hex> {
  const domain = escrowDomain(place)
  return privateKeyToAccount(key).signTypedData({ domain, types: TYPES, primaryType: 'Refund', message: refund })
}
