import type { Hex } from '../interface/index.ts'
import {
  FieldError,
  type OfferPrice,
  readAnyStatement,
  type Statement,
  toHex,
  verifyStatement
} from '../statements/index.ts'
import type { BundleContent, BundledTransfer } from './bundle.ts'
import type { Chain } from './chain.ts'
import { atMost, broken, same } from './failure.ts'

/** What a transfer rail knows and evidence does not: whether an account signed for an order. Looks nothing up. */
export type AccountVerifier = (proof: {
  account: Hex
  signature: Hex
  network: string
  offer: Chain['offer']
  order: Chain['order']
}) => boolean | Promise<boolean>

/** A payment as the bundle claims it: the ledger shows whether it was carried out. */
export interface VerifiedTransfer {
  transaction: Hex
  /** Atomic units. */
  amount: bigint
  sessionPaid: bigint
  /** sha2-256 of the statement that asked for it: the transaction's memo carries it. */
  demand: Hex
}

/**
 * The account that pays signed the order; each transfer answers a statement of the seller of this session, and together
 * they are what the seller credited, and no more than the buyer allowed.
 */
export async function checkTransfers(
  chain: Chain,
  entry: OfferPrice,
  { transfers = [] }: BundleContent,
  credited: bigint,
  verifyAccount: AccountVerifier
): Promise<VerifiedTransfer[]> {
  const { offer, order } = chain
  const { account, accountAuth: signature } = order.content
  if (entry.rail !== 'iota') {
    same('transfers', undefined, transfers.length === 0 ? undefined : `some on the ${entry.rail} rail`)
    return []
  }
  const { network } = entry
  if (network === undefined) throw broken('offer → network', 'a network', undefined)
  if (account === undefined || signature === undefined) throw broken('order → account', 'an account', undefined)
  const signed = await verifyAccount({ account, signature, network, offer, order })
  if (!signed) throw broken('order → accountAuth', `a signature of ${account}`, signature)
  let paid = 0n
  const seen = new Set<Hex>()
  const verified = transfers.map((transfer, index) => {
    const where = `transfer ${index}`
    paid += transfer.amount
    same(`${where} → paid in all`, paid, transfer.sessionPaid)
    const transaction = toHex(transfer.transaction)
    if (seen.has(transaction)) throw broken(`${where} → transaction`, 'another than before', transaction)
    seen.add(transaction)
    return { transaction, amount: transfer.amount, sessionPaid: paid, demand: demandOf(where, transfer, chain) }
  })
  atMost('transfers → paid in all', order.content.maximum, paid)
  if (paid < credited) throw broken('transfers', `at least the ${credited} that were credited`, paid)
  return verified
}

function demandOf(where: string, { demand }: BundledTransfer, { offer, order }: Chain): Hex {
  try {
    const statement = readAnyStatement(demand.payload, demand.signature)
    if (statement.kind !== 'invoice' && statement.kind !== 'accept') {
      throw broken(`${where} → demand`, 'an INVOICE or ACCEPT', statement.kind)
    }
    same(`${where} → demand → signer`, offer.issuer, statement.issuer)
    const { session } = statement.content as Statement<'invoice' | 'accept'>
    same(`${where} → demand → session`, order.cid, session.toString())
    if (!verifyStatement(statement)) {
      throw broken(`${where} → demand → signature`, `a signature of ${statement.issuer}`, toHex(demand.signature))
    }
    return toHex(statement.link.multihash.digest)
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    throw broken(`${where} → demand`, 'a well-formed statement', error.message, error)
  }
}
