import type { AbortOptions, SessionStakes, SessionTotals } from '../interface/index.ts'
import type { Connection } from './connection.ts'
import { toBigInt, toText } from './values.ts'

const TOTALS = `SELECT role, rail, state, count(*) AS sessions, sum(records) AS records, sum(bytes) AS bytes,
  sum(CAST(due AS REAL)) AS due, sum(CAST(paid AS REAL)) AS paid FROM sessions GROUP BY role, rail, state`

const UNSETTLED = `SELECT role, rail, state, due, paid, credit FROM sessions
  WHERE state NOT IN (SELECT value FROM json_each(?))
  OR role = 'seller' AND amount_less(paid, due)
  OR role = 'buyer' AND state NOT IN ('closed', 'receipted') AND amount_less(due, paid)`

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

/** Sessions in which something is at stake: those that are in none of the `ended` states, or did not end even. */
export async function unsettledSessions(
  db: Connection,
  ended: readonly string[],
  options?: AbortOptions
): Promise<SessionStakes[]> {
  return (await db.read(UNSETTLED, [JSON.stringify(ended)], options)).map((row) => ({
    role: toText(row.role),
    rail: toText(row.rail),
    state: toText(row.state),
    due: toBigInt(row.due),
    paid: toBigInt(row.paid),
    credit: toBigInt(row.credit)
  }))
}
