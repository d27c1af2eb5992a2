import type { Hex, SessionRecord, SessionStore, SignedStatement, TranscriptPart } from '../interface/index.ts'
import type { Connection } from './connection.ts'
import type { Row, Step } from './protocol.ts'
import { fromU64, toBigInt, toBytes, toText, toU64 } from './values.ts'

const PUT = `INSERT INTO sessions (id, role, listing_id, listing_cid, peer, state, rail, channel_id, start, position, root,
  due, paid, opened_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET state = excluded.state, channel_id = excluded.channel_id, start = excluded.start,
  position = excluded.position, root = excluded.root, due = excluded.due, paid = excluded.paid,
  updated_at = excluded.updated_at`
const GET = 'SELECT * FROM sessions WHERE id = ? AND role = ?'
const LIST = 'SELECT * FROM sessions WHERE role = coalesce(?, role) ORDER BY opened_at, id'
const DROP = 'DELETE FROM statements WHERE session_id = ? AND role = ? AND kind = ?'
const KEEP = `INSERT INTO statements (session_id, role, kind, cid, issuer, payload, signature)
  VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
const STATEMENTS = 'SELECT * FROM statements WHERE session_id = ? AND role = ? ORDER BY seq'
const KEEP_PART = `INSERT INTO parts (session_id, role, first, count, digest) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET count = excluded.count, digest = excluded.digest`
// The upper half of u64 is stored negative.
const PARTS = 'SELECT * FROM parts WHERE session_id = ? AND role = ? ORDER BY first < 0, first'

/** Sessions, their statements and the parts of their transcript, in ledger.db. */
export function sessionStore(db: Connection): SessionStore {
  return {
    put: async (s, options) => {
      const times = [s.openedAt, s.updatedAt]
      const money = [String(s.due), String(s.paid)]
      const names = [s.id, s.role, s.listingId, s.listingCid, s.peer, s.state, s.rail, s.channelId ?? null]
      await db.write([[PUT, [...names, fromU64(s.start), fromU64(s.position), s.root, ...money, ...times]]], options)
    },
    get: async (id, role, options) => (await db.read(GET, [id, role], options)).map(toSession)[0],
    list: async (role, options) => (await db.read(LIST, [role ?? null], options)).map(toSession),
    keep: async (sessionId, role, statements, options) => {
      const steps: Step[] = statements.map((s) => [
        KEEP,
        [sessionId, role, s.kind, s.cid, s.issuer, s.payload, s.signature]
      ])
      if (options?.replaces !== undefined) steps.unshift([DROP, [sessionId, role, options.replaces]])
      await db.write(steps, options)
    },
    statements: async (sessionId, role, options) =>
      (await db.read(STATEMENTS, [sessionId, role], options)).map(toStatement),
    keepParts: async (sessionId, role, parts, options) => {
      const steps = parts.map((p): Step => [KEEP_PART, [sessionId, role, fromU64(p.first), p.count, p.digest]])
      await db.write(steps, options)
    },
    parts: async (sessionId, role, options) => (await db.read(PARTS, [sessionId, role], options)).map(toPart)
  }
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
    root: toBytes(row.root),
    due: toBigInt(row.due),
    paid: toBigInt(row.paid),
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
