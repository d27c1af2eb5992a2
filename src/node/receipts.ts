import { readFile } from 'node:fs/promises'
import { createRecordValidator } from '../data/index.ts'
import {
  type AccountVerifier,
  type BundleInput,
  type ChannelVerifier,
  decodeBundle,
  exportBundle,
  type RecordJudge,
  type VoucherVerifier,
  verifyBundle
} from '../evidence/index.ts'
import {
  type AbortOptions,
  type Address,
  DdmError,
  type Hex,
  joinRecords,
  type RecordedDigest,
  type SessionRecord,
  type SignedStatement,
  type VoucherPayload
} from '../interface/index.ts'
import { createEip712, isAuthorized, malformedSignature } from '../payments/index.ts'
import { CLOSE_REASON, sessionBinding } from '../protocols/sdpp/index.ts'
import { sha256, toHex } from '../statements/index.ts'
import type { Ledger } from '../storage/index.ts'
import { writeFileAtomic } from './files.ts'
import { findSession } from './find-session.ts'
import { documentBytes } from './listing-document.ts'
import type { Blocks } from './network.ts'
import type { OnLedger } from './on-ledger.ts'
import type { DdmNode, ReceiptSummary, VerifiedReceipt } from './types.ts'

/** What the evm rail contributes to offline verification: nothing is looked up on a chain. */
async function evmVerifiers(): Promise<{ verifyVoucher: VoucherVerifier; verifyChannel: ChannelVerifier }> {
  const eip712 = await createEip712()
  const signerOf = (digest: Uint8Array, signature: Hex): Address | undefined =>
    malformedSignature(signature) === undefined ? eip712.recover(digest, signature) : undefined
  return {
    verifyVoucher: ({ config, voucher, chainId, escrow }) => {
      const domain = eip712.escrowDomain(chainId, escrow)
      const digest = eip712.voucher(domain, voucher.channelId, voucher.maxClaimableAmount)
      return { channelId: eip712.channelId(domain, config), signer: signerOf(digest, voucher.signature) }
    },
    verifyChannel: ({ config, chainId, escrow, signature, offer, order }) => {
      const channelId = eip712.channelId(eip712.escrowDomain(chainId, escrow), config)
      const binding = sessionBinding(offer.link, order.issuer, order.content.nonce)
      return signerOf(eip712.session(eip712.sessionDomain(chainId, escrow), channelId, binding), signature)
    }
  }
}

/** What the iota rail contributes. */
const isPayer: AccountVerifier = ({ account, signature, network, offer, order }) => {
  return isAuthorized(account, signature, network, sessionBinding(offer.link, order.issuer, order.content.nonce))
}

/** What the data room contributes: a thread of its own for the stranger's schema. */
const judge: RecordJudge = async (record, { encoding, jsonSchema, maxRecordBytes }) => {
  const rules = { encoding, schema: jsonSchema, maxRecordBytes: Number(maxRecordBytes) }
  const validator = await createRecordValidator(rules)
  try {
    return (await validator.check(joinRecords([record]), 1))?.reason
  } finally {
    await validator.close()
  }
}

async function verified(bundle: Uint8Array, onLedger?: OnLedger, options: AbortOptions = {}): Promise<VerifiedReceipt> {
  const read = await verifyBundle(bundle, {
    ...(await evmVerifiers()),
    verifyAccount: isPayer,
    validate: judge,
    ...(onLedger === undefined ? {} : { onLedger: onLedger.readers }),
    ...options
  })
  const { reason, ...rest } = read
  const shown: VerifiedReceipt =
    onLedger === undefined ? rest : { ...rest, transfers: await onLedger.transfers(read, options) }
  if (reason === undefined) return shown
  const name = Object.entries(CLOSE_REASON).find(([, code]) => code === reason)?.[0]
  return { ...shown, reason: name ?? `reason ${reason}` }
}

/** The bundle up to the last invoice that holds: one that the buyer refused would refuse the rest with it. */
async function undisputed(
  input: BundleInput
): Promise<{ bundle: Uint8Array; shown: VerifiedReceipt; disputed?: string }> {
  const bundle = exportBundle(input)
  const inBundle = new Set(decodeBundle(bundle).statements.map(({ link }) => link.toString()))
  const invoices = input.statements.filter(({ kind }) => kind === 'invoice')
  const taken = invoices.find(({ cid }) => inBundle.has(cid))
  try {
    return { bundle, shown: await verified(bundle), ...(await objection(input, invoices.at(-1), taken)) }
  } catch (error) {
    if (!isFault(error) || taken === undefined) throw error
    const statements = input.statements.filter((statement) => statement !== taken)
    const rest = await undisputed({ ...input, statements }).catch(() => Promise.reject(error))
    return { disputed: error.message, ...rest }
  }
}

/** What is wrong with the last invoice, when the bundle has an earlier one. */
async function objection(
  input: BundleInput,
  last: SignedStatement | undefined,
  taken: SignedStatement | undefined
): Promise<{ disputed?: string }> {
  if (last === undefined || last === taken) return {}
  const statements = input.statements.filter((one) => one === last || one.kind !== 'invoice')
  try {
    await verified(exportBundle({ ...input, statements }))
    return {}
  } catch (error) {
    if (!isFault(error)) throw error
    return { disputed: error.message }
  }
}

function isFault(error: unknown): error is DdmError {
  return error instanceof DdmError && error.code === 'evidence'
}

/**
 * Verifies a bundle from the file alone: no node, no network, no chain. With `onLedger` also what was recorded, and paid by
 * transactions, is looked up: what is not found is marked so, and is no fault of the file.
 *
 * @example
 * ```ts
 * const { records, due, credited } = await verifyReceipt('session.car')
 * ```
 *
 * @throws DdmError `evidence` naming the first wrong link, `notFound` when there is no such file
 */
export async function verifyReceipt(
  file: string,
  { onLedger, ...options }: AbortOptions & { onLedger?: OnLedger } = {}
): Promise<VerifiedReceipt> {
  const bytes = await readFile(file, options).catch((error: NodeJS.ErrnoException) => {
    throw new DdmError('notFound', `cannot read ${file}: ${error.code ?? error.message}`, { cause: error })
  })
  return verified(bytes, onLedger, options)
}

/** The receipts of a home. */
export class Receipts {
  readonly #ledger: Ledger
  readonly #blocks: Pick<Blocks, 'get'>

  constructor({ ledger, blocks }: { ledger: Ledger; blocks: Pick<Blocks, 'get'> }) {
    this.#ledger = ledger
    this.#blocks = blocks
  }

  readonly list: DdmNode['receipts']['list'] = async ({ role, state, ...options } = {}) => {
    const sessions = await this.#ledger.sessions.list(role, options)
    return sessions
      .filter((session) => state === undefined || session.state === state)
      .map(
        ({ id, role: side, rail, listingId, peer, position, due, paid, state: now, updatedAt }): ReceiptSummary => ({
          session: id,
          role: side,
          rail,
          listing: listingId,
          peer,
          records: position,
          due,
          paid,
          state: now,
          at: updatedAt
        })
      )
  }

  readonly export: DdmNode['receipts']['export'] = async (session, file, { role, ...options } = {}) => {
    const record = await findSession(this.#ledger.sessions, session, options, role)
    const { sessions, transfers } = this.#ledger
    const [statements, parts, violation, voucher, moved, bytes] = await Promise.all([
      sessions.statements(record.id, record.role, options),
      sessions.parts(record.id, record.role, options),
      sessions.violation(record.id, record.role, options),
      this.#voucher(record, options),
      record.role === 'seller' ? transfers.receivedOf(record.id, options) : transfers.sent(record.id, options),
      documentBytes(this.#blocks, record.listingCid, options)
    ])
    const listing = { cid: record.listingCid, bytes }
    const recorded = await this.#recorded([...statements, ...moved.map(({ demand }) => demand)], options)
    const input = { session: record, statements, parts, listing, violation, voucher, transfers: moved, recorded }
    const { bundle, shown, disputed } = await undisputed(input)
    // An earlier file of the session is evidence, too: it stays whole until this one is. Meant to be handed on: not only for its owner.
    await writeFileAtomic(file, bundle, { mode: 0o666 })
    const unproven = shown.violation === undefined ? violation?.reason : undefined
    return {
      ...shown,
      ...(unproven === undefined ? {} : { unproven }),
      ...(disputed === undefined ? {} : { disputed })
    }
  }

  /** Where this node recorded what was signed. */
  async #recorded(signed: ReadonlyArray<{ payload: Uint8Array }>, options: AbortOptions): Promise<RecordedDigest[]> {
    // The last invoice is also what asked for a transfer, and one demand may have several.
    const digests = new Map(signed.map(({ payload }) => [toHex(sha256(payload)), sha256(payload)]))
    const found = await Promise.all([...digests.values()].map((digest) => this.#ledger.records.get(digest, options)))
    return found.filter((record) => record !== undefined)
  }

  /** Highest voucher of the session's channel that this side holds. */
  async #voucher({ role, channelId }: SessionRecord, options: AbortOptions): Promise<VoucherPayload | undefined> {
    if (channelId === undefined) return undefined
    const { channels } = this.#ledger
    if (role === 'seller') return (await channels.payee(channelId, options))?.voucher
    const channel = await channels.payer(channelId, options)
    if (channel?.signature === undefined) return undefined
    return { channelId, maxClaimableAmount: channel.signed, signature: channel.signature }
  }
}
