import type { PendingDigest, RecordedDigest, RecordStore, SqlValue } from '../interface/index.ts'
import type { Connection } from './connection.ts'
import type { Row, Step } from './protocol.ts'
import { toBigInt, toBytes, toText } from './values.ts'

const DIGEST_BYTES = 32

const NOTE = `INSERT INTO pending_records (digest, session_id, kind, ended, at) SELECT ?1, ?2, ?3, ?4, ?5
  WHERE NOT EXISTS (SELECT 1 FROM records WHERE digest = ?1) ON CONFLICT DO NOTHING`
const END = 'UPDATE pending_records SET ended = 1 WHERE session_id = ? AND ended = 0'
const PENDING = 'SELECT * FROM pending_records ORDER BY at, rowid'
const PENDING_ENDED = 'SELECT * FROM pending_records WHERE ended = 1 ORDER BY at, rowid'
const PUT = `INSERT INTO records (digest, medium, network, ledger_transaction, account, at, place, count, root, proof)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
const SETTLE = 'DELETE FROM pending_records WHERE digest = ?'
const GET = 'SELECT * FROM records WHERE digest = ?'

/** Digests that are to be recorded on a ledger and where they were, in ledger.db. */
export function recordStore(db: Connection): RecordStore {
  return {
    note: async ({ session, statements, ended }, at, options) => {
      const steps = statements.map(({ kind, digest }): Step => [NOTE, [digest, session, kind, Number(ended), at]])
      if (ended) steps.push([END, [session]])
      if (steps.length > 0) await db.write(steps, options)
    },
    pending: async ({ ended = false, ...options } = {}) =>
      (await db.read(ended ? PENDING_ENDED : PENDING, [], options)).map(toPending),
    put: async (records, options) => {
      const steps = records.flatMap((record): Step[] => [
        [PUT, values(record)],
        [SETTLE, [record.digest]]
      ])
      if (steps.length > 0) await db.write(steps, options)
    },
    get: async (digest, options) => (await db.read(GET, [digest], options)).map(toRecord)[0]
  }
}

function values(record: RecordedDigest): SqlValue[] {
  const { digest, medium, network, transaction, by, at, index, count, root, proof } = record
  const path = proof === undefined ? null : Buffer.concat(proof)
  return [digest, medium, network, transaction, by, at, index, count, root ?? null, path]
}

function toRecord(row: Row): RecordedDigest {
  const { root, proof } = row
  return {
    digest: toBytes(row.digest),
    medium: toText(row.medium),
    network: toText(row.network),
    transaction: toText(row.ledger_transaction),
    by: toText(row.account),
    at: Number(toBigInt(row.at)),
    index: Number(toBigInt(row.place)),
    count: Number(toBigInt(row.count)),
    ...(root === null ? {} : { root: toBytes(root), proof: split(toBytes(proof)) })
  }
}

function split(path: Uint8Array): Uint8Array[] {
  const steps: Uint8Array[] = []
  for (let at = 0; at < path.length; at += DIGEST_BYTES) steps.push(path.slice(at, at + DIGEST_BYTES))
  return steps
}

function toPending(row: Row): PendingDigest {
  return {
    digest: toBytes(row.digest),
    session: toText(row.session_id),
    kind: toText(row.kind),
    ended: toBigInt(row.ended) === 1n,
    at: Number(toBigInt(row.at))
  }
}
