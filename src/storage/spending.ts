import type { AssetId, SpendingStore } from '../interface/index.ts'
import type { Connection } from './connection.ts'
import { toBigInt, toText } from './values.ts'

const MINUTE = 60_000

const ADD = `INSERT INTO spending (asset, seller, session, minute, amount) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET amount = amount_add(amount, excluded.amount)`
const OF_SESSION = 'SELECT seller, minute, amount FROM spending WHERE session = ? ORDER BY minute DESC'
const SET = 'UPDATE spending SET amount = ? WHERE seller = ? AND session = ? AND minute = ?'

/**
 * Money spent, in ledger.db: one row per seller, session and minute. A sum counts the whole minute in which `since`
 * falls, so that a budget errs on the careful side.
 *
 * @param asset - CAIP-19: what the amounts are
 */
export function spendingStore(db: Connection, asset: AssetId): SpendingStore {
  return {
    add: async ({ seller, session, at, amount }, options) => {
      await db.write([[ADD, [asset, seller, session, Math.floor(at / MINUTE), String(amount)]]], options)
    },
    sum: async ({ since, seller, session }, options) => {
      const tests: Array<[string, string | number | undefined]> = [
        ['asset = ?', asset],
        ['minute >= ?', since === undefined ? undefined : Math.floor(since / MINUTE)],
        ['seller = ?', seller],
        ['session = ?', session]
      ]
      const used = tests.filter((test): test is [string, string | number] => test[1] !== undefined)
      const where = ` WHERE ${used.map(([sql]) => sql).join(' AND ')}`
      const params = used.map(([, value]) => value)
      const [row] = await db.read(`SELECT amount_sum(amount) AS total FROM spending${where}`, params, options)
      return toBigInt(row?.total)
    },
    lower: async ({ session, amount }, options) => {
      const rows = await db.read(OF_SESSION, [session], options)
      let excess = rows.reduce((sum, row) => sum + toBigInt(row.amount), -amount)
      const writes: Parameters<Connection['write']>[0] = []
      for (const row of rows) {
        if (excess <= 0n) break
        const held = toBigInt(row.amount)
        const taken = held < excess ? held : excess
        excess -= taken
        writes.push([SET, [String(held - taken), toText(row.seller), session, Number(toBigInt(row.minute))]])
      }
      if (writes.length > 0) await db.write(writes, options)
    }
  }
}
