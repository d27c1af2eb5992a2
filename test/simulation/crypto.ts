import { hash } from 'node:crypto'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createKeccak } from 'hash-wasm'
import type { Address, Hex } from '../../src/interface/index.ts'
import { createEip712, Eip712 } from '../../src/payments/evm/eip712.ts'
import {
  createSigner,
  equalBytes,
  fromHex,
  type StatementSigner,
  type StatementVerifier,
  signingBytes,
  toHex,
  verifyStatement
} from '../../src/statements/index.ts'

/** Keys of a run: real ones, or such that cost a hash. Nobody without the key makes either. */
export interface Crypto {
  eip712: Eip712
  signers: StatementSigner[]
  verifier: StatementVerifier
  account: (byte: number) => { address: Address; privateKey: Uint8Array }
}

function sha256(...parts: Uint8Array[]): Uint8Array {
  return hash('sha256', Buffer.concat(parts), 'buffer')
}

const addressOf = (privateKey: Uint8Array): Uint8Array => sha256(privateKey).subarray(0, 20)

/** r is a hash of digest and address, s the address: as low as the contract wants it. */
class StubEip712 extends Eip712 {
  override sign(digest: Uint8Array, privateKey: Uint8Array): Hex {
    const address = addressOf(privateKey)
    return `${toHex(sha256(digest, address))}${'00'.repeat(12)}${toHex(address).slice(2)}1b`
  }

  override recover(digest: Uint8Array, signature: Hex): Address | undefined {
    const bytes = fromHex(signature)
    const address = bytes.subarray(44, 64)
    return bytes[64] === 27 && equalBytes(sha256(digest, address), bytes.subarray(0, 32)) ? toHex(address) : undefined
  }
}

function stubSignature(peerId: string, message: Uint8Array): Uint8Array {
  const half = sha256(new TextEncoder().encode(`stub ${peerId} `), message)
  return Uint8Array.from([...half, ...half])
}

function stubVerify({ issuer, kind, payload, signature }: Parameters<StatementVerifier['verify']>[0]): boolean {
  return equalBytes(stubSignature(issuer, signingBytes(kind, payload)), signature)
}

const PEERS = 10

export async function createCrypto(real: boolean): Promise<Crypto> {
  const keys = await Promise.all(
    Array.from({ length: PEERS }, (_, index) => generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(index + 1)))
  )
  const peers = keys.map((key) => ({ peerId: peerIdFromPrivateKey(key).toString(), seed: key.raw.subarray(0, 32) }))
  const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
  if (real) {
    const eip712 = await createEip712()
    const digest = eip712.keccak(new Uint8Array(1))
    return {
      eip712,
      signers: peers.map(({ peerId, seed }) => createSigner(peerId, seed)),
      verifier: { verify: verifyStatement, verifyInBackground: async (statement) => verifyStatement(statement) },
      account: (byte) => ({
        privateKey: key(byte),
        address: eip712.recover(digest, eip712.sign(digest, key(byte))) as Address
      })
    }
  }
  return {
    eip712: new StubEip712(await createKeccak(256)),
    signers: peers.map(({ peerId }) => ({ peerId, sign: (message) => stubSignature(peerId, message) })),
    verifier: { verify: stubVerify, verifyInBackground: async (statement) => stubVerify(statement) },
    account: (byte) => ({ privateKey: key(byte), address: toHex(addressOf(key(byte))) })
  }
}
