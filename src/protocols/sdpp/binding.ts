import { base58btc } from 'multiformats/bases/base58'
import type { CID } from 'multiformats/cid'
import type { SessionBinding } from '../../interface/index.ts'
import { sha256, toHex } from '../../statements/index.ts'

/** What `channelAuth` binds a channel to: this offer, this buyer, this order. */
export function sessionBinding(offer: CID, buyer: string, orderNonce: Uint8Array): SessionBinding {
  const nonce = new Uint8Array(32)
  nonce.set(orderNonce)
  return {
    offerDigest: toHex(offer.multihash.digest),
    buyerPeerDigest: toHex(sha256(base58btc.baseDecode(buyer))),
    orderNonce: toHex(nonce)
  }
}
