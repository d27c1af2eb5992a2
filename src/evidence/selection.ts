import type { CID } from 'multiformats/cid'
import { DdmError, type SignedStatement, type TranscriptPart, type Violation } from '../interface/index.ts'
import {
  type CheckedStatement,
  equalBytes,
  FieldError,
  readStatement,
  type Statement,
  sha256,
  transcriptStart,
  transcriptStep
} from '../statements/index.ts'
import type { BundleKind } from './chain.ts'

/** What both sides agree on of what a ledger keeps of a session. */
export interface Selection {
  statements: SignedStatement[]
  /** Those over which the seller signed last. */
  parts: readonly TranscriptPart[]
  /** As far as the seller signed for its part. */
  violation: Violation | undefined
}

interface Kept {
  statements: readonly SignedStatement[]
  parts: readonly TranscriptPart[]
  violation?: Violation | undefined
}

type Covered = Omit<Selection, 'statements'>

/** An invoice with the parts that it was signed over; undefined when they do not lead to its root. */
interface Demanded {
  invoice: CheckedStatement<'invoice'>
  covered: Covered | undefined
}

/**
 * The last of each kind, without a receipt after which the session went on, an answer to another receipt, and invoices that
 * lie: what a buyer refused is kept beside what it agreed to.
 */
export function select(session: CID, { statements, parts, violation }: Kept): Selection {
  const last = <K extends BundleKind>(kind: K): CheckedStatement<K> | undefined => {
    const statement = statements.findLast((one) => one.kind === kind)
    return statement === undefined ? undefined : read(kind, statement)
  }
  const cover = ({ content }: { content: Signed }): Covered | undefined => coveredBy(session, content, parts, violation)
  const accept = last('accept')
  const receipt = last('receipt')
  const ack = statements.findLast(
    (one) => one.kind === 'receipt-ack' && read('receipt-ack', one).content.receipt.toString() === receipt?.cid
  )
  const received = receipt === undefined ? undefined : cover(receipt)
  const isLast =
    receipt !== undefined && received !== undefined && ack !== undefined && !isReopened(statements, receipt)
  const demanded = statements
    .filter(({ kind }) => kind === 'invoice')
    .map((one) => read('invoice', one))
    .filter((invoice) => !(isLast && contradicts(invoice, receipt)))
    .map((invoice): Demanded => ({ invoice, covered: cover(invoice) }))
  const best = demanded.reduce<Demanded | undefined>(better, undefined)
  const over =
    receipt !== undefined &&
    (accept?.content.credited ?? 0n) <= receipt.content.credited &&
    (best === undefined || !goesOn(best.invoice, receipt))
  const nothing = { parts: [], violation: undefined }
  const shown = over ? (received ?? { parts, violation }) : (best?.covered ?? nothing)
  const kept = [last('offer'), last('order'), accept, best?.invoice, ...(over ? [receipt, ack] : [])]
  return { statements: kept.filter((statement) => statement !== undefined), ...shown }
}

function read<K extends BundleKind>(kind: K, { payload, signature }: SignedStatement): CheckedStatement<K> {
  try {
    return readStatement(kind, payload, signature)
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    throw new DdmError('evidence', `the ledger holds a broken ${kind}: ${error.message}`, { cause: error })
  }
}

/** What was owed after a receipt may be paid yet: an ACCEPT that came after it says that the session was taken up for that. */
function isReopened(statements: readonly SignedStatement[], { cid, content }: CheckedStatement<'receipt'>): boolean {
  if (content.credited >= content.due) return false
  const accepted = statements.findLastIndex(({ kind }) => kind === 'accept')
  return accepted > statements.findLastIndex((one) => one.kind === 'receipt' && one.cid === cid)
}

/** More records, or more credit, than the receipt. */
function goesOn({ content }: CheckedStatement<'invoice'>, receipt: CheckedStatement<'receipt'>): boolean {
  return content.n > receipt.content.n || content.credited > receipt.content.credited
}

function contradicts(invoice: CheckedStatement<'invoice'>, receipt: CheckedStatement<'receipt'>): boolean {
  const { n, root } = invoice.content
  return goesOn(invoice, receipt) || (n === receipt.content.n && !equalBytes(root, receipt.content.root))
}

/**
 * The first that is kept was agreed to, if any was. A later one takes its place when what was received bears it and it takes
 * nothing back: neither records nor credit.
 */
function better(before: Demanded | undefined, one: Demanded): Demanded {
  if (before === undefined) return one
  const [old, now] = [before.invoice.content, one.invoice.content]
  const isMore = now.n > old.n || now.credited > old.credited
  return one.covered !== undefined && now.n >= old.n && now.credited >= old.credited && isMore ? one : before
}

type Signed = Pick<Statement<'invoice'>, 'n' | 'root'>

/** The parts that lead to what was signed. Of the part with the violation the records are known: it may end before it. */
function coveredBy(
  session: CID,
  { n, root }: Signed,
  parts: readonly TranscriptPart[],
  violation: Violation | undefined
): Covered | undefined {
  const covered: TranscriptPart[] = []
  let shown = violation
  let c = transcriptStart(session.bytes)
  let records = 0n
  for (const whole of parts) {
    if (records >= n) break
    let part = whole
    if (records + BigInt(whole.count) > n) {
      const count = Number(n - records)
      const cut = violation?.first === whole.first ? firstOf(violation, count) : undefined
      if (cut === undefined) return undefined
      part = { first: whole.first, count, digest: sha256(cut.bytes) }
      shown = cut.index < count ? cut : undefined
    }
    covered.push(part)
    c = transcriptStep(c, part)
    records += BigInt(part.count)
  }
  return records === n && equalBytes(c, root) ? { parts: covered, violation: shown } : undefined
}

/** A part up to a record: a seller may sign for the part before more of its block comes. */
function firstOf(violation: Violation, count: number): Violation | undefined {
  const { bytes } = violation
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let end = 0
  for (let i = 0; i < count; i++) {
    if (end + 4 > bytes.length) return undefined
    end += 4 + view.getUint32(end)
  }
  return end > bytes.length ? undefined : { ...violation, bytes: bytes.subarray(0, end) }
}
