import {
  type CheckedStatement,
  FieldError,
  isStatementKind,
  readAnyStatement,
  type StatementKind,
  toHex,
  verifyStatement
} from '../statements/index.ts'
import type { BundleContent } from './bundle.ts'
import { broken, same } from './failure.ts'
import type { ListedTerms } from './listing.ts'

/** Order in which a session makes them, and in which the bundle holds them. */
export const KINDS = ['offer', 'order', 'accept', 'invoice', 'receipt', 'receipt-ack'] as const
export type BundleKind = (typeof KINDS)[number]

type Found = { [K in BundleKind]?: CheckedStatement<K> }

/** The statements that every bundle has, by kind, and those that it may have. */
export interface Chain {
  offer: CheckedStatement<'offer'>
  order: CheckedStatement<'order'>
  accept: CheckedStatement<'accept'>
  invoice: CheckedStatement<'invoice'> | undefined
  receipt: CheckedStatement<'receipt'> | undefined
  ack: CheckedStatement<'receipt-ack'> | undefined
}

/** Statements by kind; form, signatures, signers and links checked. */
export function readChain(bundle: BundleContent, listing: ListedTerms): Chain {
  const found = readStatements(bundle)
  const chain: Chain = {
    offer: needed(found, 'offer'),
    order: needed(found, 'order'),
    accept: needed(found, 'accept'),
    invoice: found.invoice,
    receipt: found.receipt,
    ack: found['receipt-ack']
  }
  checkPeers(chain, listing)
  checkLinks(chain, bundle, listing)
  return chain
}

function readStatements(bundle: BundleContent): Found {
  const found: Found = {}
  let last = -1
  for (const [index, { payload, signature, link }] of bundle.statements.entries()) {
    let statement: CheckedStatement<StatementKind>
    try {
      statement = readAnyStatement(payload, signature)
    } catch (error) {
      if (!(error instanceof FieldError)) throw error
      throw broken(`statement ${index}`, 'a well-formed statement', error.message, error)
    }
    const { kind } = statement
    const place = (KINDS as readonly string[]).indexOf(kind)
    if (place === -1 || !isStatementKind(kind)) throw broken(`statement ${index} → kind`, KINDS.join(', '), kind)
    same(`${kind} → CID`, statement.cid, link.toString())
    if (Object.hasOwn(found, kind)) throw broken(`${kind}`, 'one', 'two')
    if (place < last) throw broken(`statement ${index}`, `no ${kind} after ${KINDS[last]}`, kind)
    if (!verifyStatement(statement)) {
      throw broken(`${kind} → signature`, `a signature of ${statement.issuer}`, toHex(signature))
    }
    Object.assign(found, { [kind]: statement })
    last = place
  }
  return found
}

function needed<K extends BundleKind>(found: Found, kind: K): NonNullable<Found[K]> {
  const statement = found[kind]
  if (statement === undefined) throw broken(kind, 'one', undefined)
  return statement
}

/** Who may sign what: the listing names the seller's keys, the offer names the buyer. */
function checkPeers({ offer, order, accept, invoice, receipt, ack }: Chain, listing: ListedTerms): void {
  const signers = [listing.seller.peerId, ...(listing.signers ?? [])]
  if (!signers.includes(offer.issuer)) throw broken('offer → signer', signers.join(' or '), offer.issuer)
  for (const statement of [accept, invoice, receipt]) {
    if (statement !== undefined) same(`${statement.kind} → signer`, offer.issuer, statement.issuer)
  }
  for (const statement of [order, ack]) {
    if (statement !== undefined) same(`${statement.kind} → signer`, offer.content.buyer, statement.issuer)
  }
}

function checkLinks(
  { offer, order, accept, invoice, receipt, ack }: Chain,
  bundle: BundleContent,
  listing: ListedTerms
): void {
  same('bundle → session', order.cid, bundle.session.toString())
  same('offer → listing', bundle.listing.toString(), offer.content.listing.toString())
  same('offer → listing ID', listing.id, offer.content.listingId)
  same('order → offer', offer.cid, order.content.offer.toString())
  for (const statement of [accept, invoice, receipt, ack]) {
    if (statement !== undefined) same(`${statement.kind} → session`, order.cid, statement.content.session.toString())
  }
  if (ack !== undefined) same('receipt-ack → receipt', receipt?.cid, ack.content.receipt.toString())
}
