import { verifyTransactionSignature } from '@iota/iota-sdk/verify'
import { normal } from './coin.ts'
import { invalidSignature } from './errors.ts'
import { readTransaction } from './transaction.ts'

/** Of the sender, and of who pays the gas if that is another; over the bytes with their intent. */
export async function checkSignatures(bytes: Uint8Array, signatures: readonly string[]): Promise<void> {
  const { sender, gasData } = readTransaction(bytes)
  const needed = new Set([normal(sender), normal(gasData.owner)])
  if (signatures.length !== needed.size) {
    throw invalidSignature(`Expect ${needed.size} signer signatures but got ${signatures.length}`)
  }
  const signers: string[] = []
  for (const signature of signatures) {
    const key = await verifyTransactionSignature(bytes, signature).catch((error: Error) => {
      throw invalidSignature(`Signature is not valid: ${error.message.slice(0, 200)}`)
    })
    signers.push(key.toIotaAddress())
  }
  for (const address of needed) {
    if (!signers.includes(address)) {
      throw invalidSignature(`Required Signature from ${address} is absent [${signers.join(', ')}]`)
    }
  }
}
