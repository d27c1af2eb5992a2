import { privateKeyToAccount } from 'viem/accounts'
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

export function signerOf(privateKey: Hex): TransactionSigner {
  try {
    return privateKeyToAccount(privateKey)
  } catch {
    // Without a cause: its message could carry the key.
    throw new DdmError('config', 'the wallet key is not a secp256k1 private key (0x and 64 hex digits)')
  }
}
