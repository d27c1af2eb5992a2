import { CID } from 'multiformats/cid'
import type {
  AbortOptions,
  Checkpoint,
  SessionRecord,
  SessionRole,
  SessionStore,
  SignedStatement
} from '../../interface/index.ts'
import { type CheckedStatement, readStatement, type StatementKind, transcriptStart } from '../../statements/index.ts'

/** A session as it was left: what both agreed on, and where it stands. */
export interface StoredSession {
  /** CID of the ORDER. */
  session: CID
  record: SessionRecord
  offer: CheckedStatement<'offer'>
  order: CheckedStatement<'order'>
  /** Absent when the stream was cut before it came. */
  accept: CheckedStatement<'accept'> | undefined
  receipt: CheckedStatement<'receipt'> | undefined
}

/** States that nobody resumes: it was refused, or the two sides disagree about what was delivered. */
const FINAL_STATES: readonly string[] = ['refused', 'disputed', 'abandoned']

export function isResumable({ state }: Pick<SessionRecord, 'state'>): boolean {
  return !FINAL_STATES.includes(state)
}

/** Buyer: whether nothing is left to be fetched, neither a receipt nor records that the consumer had not made durable. */
export function isComplete({ record, receipt }: Pick<StoredSession, 'record' | 'receipt'>): boolean {
  return receipt !== undefined && record.position >= receipt.content.n
}

/** Whether a session has ended owing nothing: no money moves in it any more, whoever asks for its records again. */
export function isSettled({ receipt }: Pick<StoredSession, 'receipt'>): boolean {
  return receipt !== undefined && receipt.content.credited >= receipt.content.due
}

/**
 * Buyer: whether all records are here and the end of the session is not: the RECEIPT, or the seller's word that it has the
 * RECEIPT_ACK. What was not paid is left to the buyer's user.
 */
export function isUnconfirmed(stored: Pick<StoredSession, 'record' | 'accept' | 'receipt'>): boolean {
  const { record, accept, receipt } = stored
  if (!isResumable(record) || accept === undefined) return false
  if (receipt !== undefined) return record.state !== 'closed' && isComplete(stored) && isSettled(stored)
  const { start, until } = accept.content
  return until !== undefined && start + record.position >= until
}

/** Nothing was handled yet. */
export function startCheckpoint(session: CID): Checkpoint {
  return { position: 0n, root: transcriptStart(session.bytes), records: 0n, bytes: 0n }
}

/** Where a transcript is taken up that was computed before: the last stored checkpoint, or the start. */
export async function checkpointBefore(
  sessions: SessionStore,
  { session, record: { id, role } }: Pick<StoredSession, 'session' | 'record'>,
  position: bigint,
  options?: AbortOptions
): Promise<Checkpoint> {
  return (await sessions.checkpoint(id, role, position, options)) ?? startCheckpoint(session)
}

/** Reads what this side keeps of a session; undefined when it keeps nothing. */
export async function readSession(
  sessions: SessionStore,
  id: string,
  role: SessionRole,
  options?: AbortOptions
): Promise<StoredSession | undefined> {
  const record = await sessions.get(id, role, options)
  if (record === undefined) return undefined
  const statements = await sessions.statements(id, role, options)
  const offer = last(statements, 'offer')
  const order = last(statements, 'order')
  if (offer === undefined || order === undefined) return undefined
  return {
    session: CID.parse(id),
    record,
    offer,
    order,
    accept: last(statements, 'accept'),
    receipt: last(statements, 'receipt')
  }
}

function last<K extends StatementKind>(statements: SignedStatement[], kind: K): CheckedStatement<K> | undefined {
  const found = statements.findLast((statement) => statement.kind === kind)
  return found === undefined ? undefined : readStatement(kind, found.payload, found.signature)
}
