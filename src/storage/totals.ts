import type { AbortOptions, SessionTotals } from '../interface/index.ts'
import type { Connection } from './connection.ts'
import { toText } from './values.ts'

const TOTALS = `SELECT role, rail, state, count(*) AS sessions, sum(records) AS records, sum(bytes) AS bytes,
  sum(CAST(due AS REAL)) AS due, sum(CAST(paid AS REAL)) AS paid FROM sessions GROUP BY role, rail, state`

/** Adds up all sessions of ledger.db where they are, so that reading a meter does not carry every row over. */
export async function sessionTotals(db: Connection, options?: AbortOptions): Promise<SessionTotals[]> {
  return (await db.read(TOTALS, [], options)).map((row) => ({
    role: toText(row.role),
    rail: toText(row.rail),
    state: toText(row.state),
    sessions: Number(row.sessions),
    records: Number(row.records),
    bytes: Number(row.bytes),
    due: Number(row.due),
    paid: Number(row.paid)
  }))
}
