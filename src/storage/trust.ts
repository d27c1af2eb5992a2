import {
  type AssetId,
  exposureOf,
  type Grant,
  type TrustRecord,
  type TrustStore,
  type TrustSubject
} from '../interface/index.ts'
import type { Connection } from './connection.ts'
import type { Row, Step } from './protocol.ts'
import { toBigInt, toText } from './values.ts'

const PUT_GRANT = `INSERT INTO grants (asset, role, session_id, peer, account, credit, settled, debt, exposure, stranger, open, at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET credit = excluded.credit, settled = excluded.settled, debt = excluded.debt,
  exposure = excluded.exposure, stranger = excluded.stranger, open = excluded.open, at = excluded.at`
const PUT_RECORD = `INSERT INTO trust (asset, role, kind, name, settled, halvings, halved_at, forgiveness)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET settled = excluded.settled, halvings = excluded.halvings, halved_at = excluded.halved_at,
  forgiveness = excluded.forgiveness`
const GRANT = 'SELECT * FROM grants WHERE asset = ? AND role = ? AND session_id = ?'
const RECORD = 'SELECT * FROM trust WHERE asset = ? AND role = ? AND kind = ? AND name = ?'
const EXPOSURE = (column: TrustSubject['by']): string => `SELECT open, amount_sum(exposure) AS total FROM grants
  WHERE exposure <> '0' AND asset = ? AND role = ? AND ${column} = ? AND session_id <> ? GROUP BY open`
const EXPOSURES = { peer: EXPOSURE('peer'), account: EXPOSURE('account') }
const STRANGERS = `SELECT amount_sum(exposure) AS total FROM grants
  WHERE exposure <> '0' AND stranger = 1 AND asset = ? AND role = ? AND at > ? AND session_id <> ?`
const OUTSTANDING = `SELECT * FROM grants WHERE (exposure <> '0' OR open = 1) AND asset = ? AND role = coalesce(?, role)
  ORDER BY at, session_id`

/**
 * Records of peers and accounts, and the credit given to sessions, in ledger.db.
 *
 * @param asset - CAIP-19: what the amounts of this book are
 */
export function trustStore(db: Connection, asset: AssetId): TrustStore {
  return {
    put: async (grant, records, options) => {
      await db.write(
        [putGrant(asset, grant), ...records.map((record) => putRecord(asset, grant.role, record))],
        options
      )
    },
    grant: async (role, session, options) => (await db.read(GRANT, [asset, role, session], options)).map(toGrant)[0],
    record: async (role, { by, name }, options) =>
      (await db.read(RECORD, [asset, role, by, name], options)).map(toRecord)[0],
    exposure: async (role, { by, name }, except, options) => {
      const rows = await db.read(EXPOSURES[by], [asset, role, name, except ?? ''], options)
      const sum = (open: number): bigint => toBigInt(rows.find((row) => row.open === open)?.total ?? '0')
      return { debt: sum(0), open: sum(1) }
    },
    strangers: async (role, since, except, options) => {
      const [row] = await db.read(STRANGERS, [asset, role, since, except ?? ''], options)
      return toBigInt(row?.total)
    },
    outstanding: async (role, options) => (await db.read(OUTSTANDING, [asset, role ?? null], options)).map(toGrant)
  }
}

/** Exposure is kept beside its parts, so that the sums and their indexes need no arithmetic on decimal text. */
function putGrant(asset: AssetId, grant: Grant): Step {
  const { role, session, peer, account, credit, settled, debt, stranger, open, at } = grant
  const money = [credit, settled, debt, exposureOf(grant)].map(String)
  return [PUT_GRANT, [asset, role, session, peer, account ?? null, ...money, stranger ? 1 : 0, open ? 1 : 0, at]]
}

function putRecord(asset: AssetId, role: Grant['role'], record: TrustRecord & TrustSubject): Step {
  const { by, name, settled, halvings, halvedAt, forgiveness } = record
  return [PUT_RECORD, [asset, role, by, name, String(settled), halvings, String(halvedAt), String(forgiveness)]]
}

function toGrant(row: Row): Grant {
  return {
    role: toText(row.role),
    session: toText(row.session_id),
    peer: toText(row.peer),
    ...(row.account === null ? {} : { account: toText(row.account) }),
    credit: toBigInt(row.credit),
    settled: toBigInt(row.settled),
    debt: toBigInt(row.debt),
    stranger: row.stranger === 1,
    open: row.open === 1,
    at: Number(row.at)
  }
}

function toRecord(row: Row): TrustRecord {
  return {
    settled: toBigInt(row.settled),
    halvings: Number(row.halvings),
    halvedAt: toBigInt(row.halved_at),
    forgiveness: toBigInt(row.forgiveness)
  }
}
