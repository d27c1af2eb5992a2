import secp256k1 from 'secp256k1'
import { hexToBytes, toHex } from 'viem'
import { type PrivateKeyAccount, privateKeyToAccount, publicKeyToAddress } from 'viem/accounts'
import type { Address, Hex } from '../interface/index.ts'
import { DdmError } from '../interface/index.ts'
import type { TransactionSigner } from './transactions.ts'

/** Who sends transactions: an account and its key, or whatever signs for it (a viem account, a hardware wallet). */
export type ChainWallet = { account: Address; privateKey: Hex } | { account: Address; signer: TransactionSigner }

export function openWallet(wallet: ChainWallet): TransactionSigner {
  const signer = 'signer' in wallet ? wallet.signer : signerOf(wallet.privateKey)
  if (signer.address.toLowerCase() !== wallet.account.toLowerCase()) {
    throw new DdmError('config', `the wallet's key belongs to ${signer.address}, not to ${wallet.account}`)
  }
  return signer
}

/** viem's own account takes a tenth of a second to make: that waits for the first transaction. */
export function signerOf(privateKey: Hex): TransactionSigner {
  const address = addressOf(privateKey)
  let account: PrivateKeyAccount | undefined
  return {
    address,
    signTransaction: (transaction) => {
      account ??= privateKeyToAccount(privateKey)
      return account.signTransaction(transaction)
    }
  }
}

function addressOf(privateKey: Hex): Address {
  try {
    // An odd digit would be padded here, and refused at the first transaction.
    if (privateKey.length !== 66) throw new Error('not 32 bytes')
    return publicKeyToAddress(toHex(secp256k1.publicKeyCreate(hexToBytes(privateKey), false)))
  } catch {
    // Without a cause: its message could carry the key.
    throw new DdmError('config', 'the wallet key is not a secp256k1 private key (0x and 64 hex digits)')
  }
}
