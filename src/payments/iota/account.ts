import { fromBase64, toBase64 } from '@iota/bcs'
import { Ed25519Keypair } from '@iota/iota-sdk/keypairs/ed25519'
import { verifyPersonalMessageSignature } from '@iota/iota-sdk/verify'
import type { Hex, NetworkId, SessionBinding } from '../../interface/index.ts'
import { hexOf } from './sdk-client.ts'

/** Signs for an IOTA account. */
export interface IotaAccount {
  /** 32 bytes. */
  address: Hex
  /** Of a transaction as BCS: flag ‖ signature ‖ public key, 97 bytes. */
  sign: (transaction: Uint8Array) => Promise<Uint8Array>
  authorize: (network: NetworkId, binding: SessionBinding) => Promise<Hex>
}

/**
 * @param seed - 32 bytes, Ed25519
 */
export function iotaAccount(seed: Uint8Array): IotaAccount {
  const keys = Ed25519Keypair.fromSecretKey(Uint8Array.from(seed))
  return {
    address: hexOf(keys.toIotaAddress()),
    sign: async (transaction) => fromBase64((await keys.signTransaction(transaction)).signature),
    authorize: async (network, binding) => {
      const { signature } = await keys.signPersonalMessage(authorization(network, binding))
      return `0x${Buffer.from(fromBase64(signature)).toString('hex')}`
    }
  }
}

/** What a paying account signs as a personal message: no order can name somebody else's account. */
function authorization(network: NetworkId, { offerDigest, buyerPeerDigest, orderNonce }: SessionBinding): Uint8Array {
  return new TextEncoder().encode(
    ['ddm-sdpp/2 payer', network, `offer ${offerDigest}`, `buyer ${buyerPeerDigest}`, `order ${orderNonce}`].join('\n')
  )
}

/** Whether the account's own key signed; any of the schemes that the network knows. */
export async function isAuthorized(
  account: Hex,
  signature: Hex,
  network: NetworkId,
  binding: SessionBinding
): Promise<boolean> {
  const bytes = Buffer.from(signature.slice(2), 'hex')
  try {
    await verifyPersonalMessageSignature(authorization(network, binding), toBase64(bytes), { address: account })
    return true
  } catch {
    return false
  }
}
