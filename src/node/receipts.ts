import { readFile, writeFile } from 'node:fs/promises'
import { CID } from 'multiformats/cid'
import { exportBundle, type VerifiedBundle, type VoucherVerifier, verifyBundle } from '../evidence/index.ts'
import { type AbortOptions, DdmError, type SessionRecord } from '../interface/index.ts'
import { createEip712, malformedSignature } from '../payments/index.ts'
import { MAX_DOCUMENT_BYTES } from '../registry/index.ts'
import type { Ledger } from '../storage/index.ts'
import type { Blocks } from './network.ts'
import type { DdmNode, ReceiptSummary } from './types.ts'

const DOCUMENT_TIMEOUT_MS = 10_000

/** What the evm rail contributes to offline verification: nothing is looked up on a chain. */
async function voucherVerifier(): Promise<VoucherVerifier> {
  const eip712 = await createEip712()
  return ({ config, voucher, chainId, escrow }) => {
    const domain = eip712.escrowDomain(chainId, escrow)
    const digest = eip712.voucher(domain, voucher.channelId, voucher.maxClaimableAmount)
    const wellFormed = malformedSignature(voucher.signature) === undefined
    return {
      channelId: eip712.channelId(domain, config),
      signer: wellFormed ? eip712.recover(digest, voucher.signature) : undefined
    }
  }
}

/**
 * Verifies a bundle from the file alone: no node, no network, no chain.
 *
 * @example
 * ```ts
 * const { records, due, credited } = await verifyReceipt('session.car')
 * ```
 *
 * @throws DdmError `evidence` naming the first wrong link, `notFound` when there is no such file
 */
export async function verifyReceipt(file: string, options: AbortOptions = {}): Promise<VerifiedBundle> {
  const bytes = await readFile(file, options).catch((error: NodeJS.ErrnoException) => {
    throw new DdmError('notFound', `cannot read ${file}: ${error.code ?? error.message}`, { cause: error })
  })
  return verifyBundle(bytes, { verifyVoucher: await voucherVerifier() })
}

/** The receipts of a home. */
export class Receipts {
  readonly #ledger: Ledger
  readonly #blocks: Pick<Blocks, 'get'>

  constructor({ ledger, blocks }: { ledger: Ledger; blocks: Pick<Blocks, 'get'> }) {
    this.#ledger = ledger
    this.#blocks = blocks
  }

  readonly list: DdmNode['receipts']['list'] = async (options) => {
    const sessions = await this.#ledger.sessions.list(undefined, options)
    return sessions.map(
      ({ id, role, listingId, peer, position, due, paid, state, updatedAt }): ReceiptSummary => ({
        session: id,
        role,
        listing: listingId,
        peer,
        records: position,
        due,
        paid,
        state,
        at: updatedAt
      })
    )
  }

  readonly export = async (session: string, file: string, options: AbortOptions = {}): Promise<VerifiedBundle> => {
    const record = await this.#find(session, options)
    const { sessions } = this.#ledger
    const [statements, parts, bytes] = await Promise.all([
      sessions.statements(record.id, record.role, options),
      sessions.parts(record.id, record.role, options),
      this.#document(record, options)
    ])
    const bundle = exportBundle({ session: record, statements, parts, listing: { cid: record.listingCid, bytes } })
    const verified = await verifyBundle(bundle, { verifyVoucher: await voucherVerifier() })
    await writeFile(file, bundle, { flush: true })
    return verified
  }

  async #find(prefix: string, options: AbortOptions): Promise<SessionRecord> {
    const all = await this.#ledger.sessions.list(undefined, options)
    const found = all.filter(({ id }) => id.startsWith(prefix))
    const [first] = found
    if (first === undefined) {
      throw new DdmError('notFound', `there is no session ${prefix} in this home; "ddm receipts list" shows them`)
    }
    if (found.some(({ id }) => id !== first.id)) {
      throw new DdmError('ambiguous', `"${prefix}" fits ${found.length} sessions; give more of the ID`)
    }
    return first
  }

  #document({ listingCid }: SessionRecord, { signal }: AbortOptions): Promise<Uint8Array> {
    const timeout = AbortSignal.timeout(DOCUMENT_TIMEOUT_MS)
    const until = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
    return this.#blocks.get(CID.parse(listingCid), { signal: until, maxBytes: MAX_DOCUMENT_BYTES })
  }
}
