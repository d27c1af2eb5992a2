import type {
  Checkpoint,
  Hex,
  SessionRecord,
  SessionStore,
  SignedStatement,
  SqlValue,
  TranscriptPart,
  Violation
} from '../interface/index.ts'
import type { Connection } from './connection.ts'
import type { Row, Step } from './protocol.ts'
import { fromU64, toBigInt, toBytes, toText, toU64 } from './values.ts'

const PUT = `INSERT INTO sessions (id, role, listing_id, listing_cid, peer, state, rail, channel_id, start, position, root,
  due, paid, opened_at, updated_at, checkpoint, records, bytes, sink, credit, needed, pays_at_most)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET state = excluded.state, channel_id = excluded.channel_id, start = excluded.start,
  position = excluded.position, root = excluded.root, due = excluded.due, paid = excluded.paid,
  updated_at = excluded.updated_at, checkpoint = excluded.checkpoint, records = excluded.records,
  bytes = excluded.bytes, sink = excluded.sink, credit = excluded.credit, needed = excluded.needed,
  pays_at_most = excluded.pays_at_most`
const GET = 'SELECT * FROM sessions WHERE id = ? AND role = ?'
const LIST = 'SELECT * FROM sessions WHERE role = coalesce(?, role) ORDER BY opened_at, id'
const TOUCH = 'UPDATE sessions SET updated_at = ? WHERE id = ? AND role = ?'
const DROP = 'DELETE FROM statements WHERE session_id = ? AND role = ? AND kind = ?'
const KEEP = `INSERT INTO statements (session_id, role, kind, cid, issuer, payload, signature)
  VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
const STATEMENTS = 'SELECT * FROM statements WHERE session_id = ? AND role = ? ORDER BY seq'
const KEEP_PART = `INSERT INTO parts (session_id, role, first, count, digest) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET count = excluded.count, digest = excluded.digest`
const KEEP_VIOLATION = `INSERT INTO violations (session_id, role, first, record, bytes, reason) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET bytes = excluded.bytes WHERE first = excluded.first AND record = excluded.record`
const VIOLATION = 'SELECT * FROM violations WHERE session_id = ? AND role = ?'
// The upper half of u64 is stored negative.
const PARTS = 'SELECT * FROM parts WHERE session_id = ? AND role = ? ORDER BY first < 0, first'

const KEEP_CHECKPOINT = `INSERT INTO checkpoints (session_id, role, position, root, records, bytes)
  VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
const CHECKPOINT = `SELECT * FROM checkpoints WHERE session_id = ? AND role = ? AND position <= ?
  ORDER BY position DESC LIMIT 1`
const DROP_CHECKPOINTS = `DELETE FROM checkpoints WHERE EXISTS (
  SELECT 1 FROM sessions WHERE id = session_id AND sessions.role = checkpoints.role AND updated_at < ?)`

/** Positions that a stranger may name, but no session can reach. */
const MAX_POSITION = (1n << 63n) - 1n

/** Sessions, their statements and the parts of their transcript, in ledger.db. */
export function sessionStore(db: Connection): SessionStore {
  return {
    put: async (session, { statements = [], replaces = [], parts = [], checkpoints = [] } = {}, options) => {
      const { id, role } = session
      const steps: Step[] = [
        putStep(session),
        ...replaces.map((kind): Step => [DROP, [id, role, kind]]),
        ...statements.map((statement) => keepStep(id, role, statement)),
        ...parts.map((p): Step => [KEEP_PART, [id, role, fromU64(p.first), p.count, p.digest]]),
        ...checkpoints.map((c): Step => [KEEP_CHECKPOINT, [id, role, ...checkpointColumns(c)]])
      ]
      await db.write(steps, options)
    },
    get: async (id, role, options) => (await db.read(GET, [id, role], options)).map(toSession)[0],
    list: async (role, options) => (await db.read(LIST, [role ?? null], options)).map(toSession),
    touch: async (id, role, at, options) => {
      await db.write([[TOUCH, [at, id, role]]], options)
    },
    keep: async (sessionId, role, statements, options) => {
      await db.write(
        statements.map((statement) => keepStep(sessionId, role, statement)),
        options
      )
    },
    statements: async (sessionId, role, options) =>
      (await db.read(STATEMENTS, [sessionId, role], options)).map(toStatement),
    parts: async (sessionId, role, options) => (await db.read(PARTS, [sessionId, role], options)).map(toPart),
    checkpoint: async (sessionId, role, position, options) => {
      const last = position > MAX_POSITION ? MAX_POSITION : position
      return (await db.read(CHECKPOINT, [sessionId, role, last], options)).map(toCheckpoint)[0]
    },
    dropCheckpoints: async (before, options) => {
      await db.write([[DROP_CHECKPOINTS, [before]]], options)
    },
    keepViolation: async (sessionId, role, { first, index, bytes, reason }, options) => {
      await db.write([[KEEP_VIOLATION, [sessionId, role, fromU64(first), index, bytes, reason]]], options)
    },
    violation: async (sessionId, role, options) =>
      (await db.read(VIOLATION, [sessionId, role], options)).map(toViolation)[0]
  }
}

function putStep(s: SessionRecord): Step {
  const names = [s.id, s.role, s.listingId, s.listingCid, s.peer, s.state, s.rail, s.channelId ?? null]
  const money = [String(s.due), String(s.paid)]
  const { position, root, records, bytes } = s.checkpoint
  const where = [fromU64(s.start), fromU64(s.position), root]
  const account = [fromU64(position), fromU64(records), fromU64(bytes), s.sink ?? null, String(s.credit)]
  const needed = s.needed === undefined ? null : String(s.needed)
  const limit = s.limit === undefined ? null : String(s.limit)
  return [PUT, [...names, ...where, ...money, s.openedAt, s.updatedAt, ...account, needed, limit]]
}

function checkpointColumns({ position, root, records, bytes }: Checkpoint): SqlValue[] {
  return [fromU64(position), root, fromU64(records), fromU64(bytes)]
}

function toCheckpoint(row: Row): Checkpoint {
  const { position, root, records, bytes } = row
  return { position: toU64(position), root: toBytes(root), records: toU64(records), bytes: toU64(bytes) }
}

function keepStep(sessionId: string, role: string, s: SignedStatement): Step {
  return [KEEP, [sessionId, role, s.kind, s.cid, s.issuer, s.payload, s.signature]]
}

function toViolation(row: Row): Violation {
  return { first: toU64(row.first), index: Number(row.record), bytes: toBytes(row.bytes), reason: toText(row.reason) }
}

function toSession(row: Row): SessionRecord {
  return {
    id: toText(row.id),
    role: toText(row.role),
    listingId: toText<Hex>(row.listing_id),
    listingCid: toText(row.listing_cid),
    peer: toText(row.peer),
    state: toText(row.state),
    rail: toText(row.rail),
    ...(row.channel_id === null ? {} : { channelId: toText<Hex>(row.channel_id) }),
    start: toU64(row.start),
    position: toU64(row.position),
    checkpoint: {
      position: toU64(row.checkpoint),
      root: toBytes(row.root),
      records: toU64(row.records),
      bytes: toU64(row.bytes)
    },
    ...(row.sink === null ? {} : { sink: toText(row.sink) }),
    due: toBigInt(row.due),
    paid: toBigInt(row.paid),
    credit: toBigInt(row.credit),
    ...(row.needed === null ? {} : { needed: toBigInt(row.needed) }),
    ...(row.pays_at_most === null ? {} : { limit: toBigInt(row.pays_at_most) }),
    openedAt: Number(row.opened_at),
    updatedAt: Number(row.updated_at)
  }
}

function toStatement(row: Row): SignedStatement {
  return {
    cid: toText(row.cid),
    kind: toText(row.kind),
    issuer: toText(row.issuer),
    payload: toBytes(row.payload),
    signature: toBytes(row.signature)
  }
}

function toPart(row: Row): TranscriptPart {
  return { first: toU64(row.first), count: Number(row.count), digest: toBytes(row.digest) }
}
