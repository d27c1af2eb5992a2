import { createKeccak, type IHasher } from 'hash-wasm'
import secp256k1 from 'secp256k1'
import type { Address, ChannelConfig, Hex, SessionBinding } from '../../interface/index.ts'
import { fromHex, toHex } from '../../statements/index.ts'

/** EIP-712 by hand: the general encoders cost a millisecond per voucher, this a few microseconds. */

export interface TypedDomain {
  name: string
  version: string
  chainId: number
  verifyingContract: Address
}

const DOMAIN_TYPE = 'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)'
const CHANNEL_TYPE =
  'ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,uint40 withdrawDelay,bytes32 salt)'
const VOUCHER_TYPE = 'Voucher(bytes32 channelId,uint128 maxClaimableAmount)'
const REFUND_TYPE = 'Refund(bytes32 channelId,uint256 nonce,uint128 amount)'
const SESSION_TYPE = 'SessionAuth(bytes32 channelId,bytes32 offerDigest,bytes32 buyerPeerDigest,bytes32 orderNonce)'
const RECEIVE_TYPE =
  'ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)'

/** EIP-3009 `receiveWithAuthorization`; times in Unix seconds. */
export interface ReceiveAuthorization {
  from: Address
  to: Address
  value: bigint
  validAfter: bigint
  validBefore: bigint
  nonce: Hex
}

type Word = bigint | number | string | Uint8Array

/** Left-pads numbers and addresses to 32 bytes, as abi.encode does for static types. */
function words(...values: Word[]): Uint8Array {
  const bytes = new Uint8Array(32 * values.length)
  values.forEach((value, index) => {
    const raw =
      value instanceof Uint8Array ? value : typeof value === 'string' ? fromHex(value) : fromHex(evenHex(BigInt(value)))
    bytes.set(raw, 32 * (index + 1) - raw.length)
  })
  return bytes
}

function evenHex(value: bigint): string {
  const digits = value.toString(16)
  return `0x${digits.length % 2 === 0 ? digits : `0${digits}`}`
}

/**
 * Hashes, signs and recovers for one process.
 *
 * @example
 * ```ts
 * const eip712 = await createEip712()
 * const escrow = eip712.domain({ name: 'x402 Batch Settlement', version: '1', chainId: 31337, verifyingContract })
 * eip712.channelId(escrow, config) // '0x…'
 * ```
 */
export async function createEip712(): Promise<Eip712> {
  return new Eip712(await createKeccak(256))
}

export class Eip712 {
  readonly #hasher: IHasher
  readonly #types = new Map<string, Uint8Array>()

  constructor(hasher: IHasher) {
    this.#hasher = hasher
  }

  keccak(...parts: Uint8Array[]): Uint8Array {
    this.#hasher.init()
    for (const part of parts) this.#hasher.update(part)
    return this.#hasher.digest('binary')
  }

  /** 65 bytes r ‖ s ‖ v with low s and v ∈ {27, 28}, as the contracts take them. */
  sign(digest: Uint8Array, privateKey: Uint8Array): Hex {
    const { signature, recid } = secp256k1.ecdsaSign(digest, privateKey)
    return `${toHex(signature)}${(27 + recid).toString(16)}`
  }

  /** The address that signed; undefined when none did. */
  recover(digest: Uint8Array, signature: Hex): Address | undefined {
    try {
      const bytes = fromHex(signature)
      const publicKey = secp256k1.ecdsaRecover(bytes.subarray(0, 64), (bytes[64] as number) - 27, digest, false)
      return toHex(this.keccak(publicKey.subarray(1)).subarray(12))
    } catch {
      return undefined
    }
  }

  /** Domain separator. */
  domain({ name, version, chainId, verifyingContract }: TypedDomain): Uint8Array {
    const text = new TextEncoder()
    const values = [this.keccak(text.encode(name)), this.keccak(text.encode(version)), chainId, verifyingContract]
    return this.#struct(DOMAIN_TYPE, ...values)
  }

  escrowDomain(chainId: number, escrow: Address): Uint8Array {
    return this.domain({ name: 'x402 Batch Settlement', version: '1', chainId, verifyingContract: escrow })
  }

  sessionDomain(chainId: number, escrow: Address): Uint8Array {
    return this.domain({ name: 'DDM SDPP', version: '2', chainId, verifyingContract: escrow })
  }

  channelId(domain: Uint8Array, config: ChannelConfig): Hex {
    const { payer, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt } = config
    const values = [payer, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt]
    return toHex(this.#digest(domain, this.#struct(CHANNEL_TYPE, ...values)))
  }

  voucher(domain: Uint8Array, channelId: Hex, maxClaimableAmount: bigint): Uint8Array {
    return this.#digest(domain, this.#struct(VOUCHER_TYPE, channelId, maxClaimableAmount))
  }

  /** What a receiverAuthorizer signs to pay `amount` back. */
  refund(domain: Uint8Array, channelId: Hex, nonce: bigint, amount: bigint): Uint8Array {
    return this.#digest(domain, this.#struct(REFUND_TYPE, channelId, nonce, amount))
  }

  session(domain: Uint8Array, channelId: Hex, binding: SessionBinding): Uint8Array {
    const { offerDigest, buyerPeerDigest, orderNonce } = binding
    return this.#digest(domain, this.#struct(SESSION_TYPE, channelId, offerDigest, buyerPeerDigest, orderNonce))
  }

  receiveAuthorization(domain: Uint8Array, authorization: ReceiveAuthorization): Uint8Array {
    const { from, to, value, validAfter, validBefore, nonce } = authorization
    return this.#digest(domain, this.#struct(RECEIVE_TYPE, from, to, value, validAfter, validBefore, nonce))
  }

  /** The collector's nonce binds an authorization to one channel: `keccak256(abi.encode(channelId, salt))`. */
  depositNonce(channelId: Hex, salt: bigint): Hex {
    return toHex(this.keccak(words(channelId, salt)))
  }

  #struct(type: string, ...values: Word[]): Uint8Array {
    let typeHash = this.#types.get(type)
    if (typeHash === undefined) {
      typeHash = this.keccak(new TextEncoder().encode(type))
      this.#types.set(type, typeHash)
    }
    return this.keccak(words(typeHash, ...values))
  }

  #digest(domain: Uint8Array, struct: Uint8Array): Uint8Array {
    return this.keccak(Uint8Array.of(0x19, 0x01), domain, struct)
  }
}

/** The EIP-3009 collector's calldata: `abi.encode(validAfter, validBefore, salt, bytes signature)`. */
export function encodeCollectorData(validAfter: bigint, validBefore: bigint, salt: bigint, signature: Hex): Hex {
  const bytes = fromHex(signature)
  const padded = new Uint8Array(Math.ceil(bytes.length / 32) * 32)
  padded.set(bytes)
  const head = words(validAfter, validBefore, salt, 128, bytes.length)
  return `${toHex(head)}${toHex(padded).slice(2)}`
}
