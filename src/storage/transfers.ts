import type { SignedTransaction, Transfer, TransferStore } from '../interface/index.ts'
import type { Connection } from './connection.ts'
import type { Row, Step } from './protocol.ts'
import { toBigInt, toBytes, toText } from './values.ts'

const PUT_SIGNED = `INSERT INTO signed_transactions (network, digest, bytes, signature, coins, state)
  VALUES (?, ?, ?, ?, ?, ?)`
const PUT = `INSERT INTO transfers
  (role, network, digest, session_id, amount, session_paid, fee, demand, demand_signature, at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
// One transaction pays a payee once: its index refuses another session.
const PUT_RECEIVED = `${PUT} ON CONFLICT DO NOTHING RETURNING 1 AS stored`
const SETTLE = 'UPDATE signed_transactions SET state = ? WHERE network = ? AND digest = ?'
const UNSETTLED = "SELECT * FROM signed_transactions WHERE state = 'signed' AND network = ? ORDER BY rowid"
const SENT = `SELECT transfers.* FROM transfers JOIN signed_transactions USING (network, digest)
  WHERE role = 'payer' AND session_id = ? AND state <> 'failed' ORDER BY transfers.rowid`
const RECEIVED = "SELECT * FROM transfers WHERE role = 'payee' AND network = ? AND digest = ?"
const ARRIVED = "SELECT digest, amount FROM transfers WHERE role = 'payee' AND network = ? ORDER BY rowid"
const RECEIVED_OF = "SELECT * FROM transfers WHERE role = 'payee' AND session_id = ? ORDER BY rowid"

/** What was moved by transactions, in ledger.db. */
export function transferStore(db: Connection): TransferStore {
  return {
    putSigned: async (transaction, transfers, options) => {
      const { network, transaction: digest, bytes, signature, coins, state } = transaction
      const row: Step = [PUT_SIGNED, [network, digest, bytes, signature, JSON.stringify(coins), state]]
      await db.write([row, ...transfers.map((transfer): Step => [PUT, values('payer', transfer)])], options)
    },
    settle: async ({ network, transaction }, state, options) => {
      await db.write([[SETTLE, [state, network, transaction]]], options)
    },
    unsettled: async (network, options) => (await db.read(UNSETTLED, [network], options)).map(toSigned),
    sent: async (session, options) => (await db.read(SENT, [session], options)).map(toTransfer),
    putReceived: async (transfer, options) =>
      (await db.write([[PUT_RECEIVED, values('payee', transfer)]], options)).length > 0,
    received: async ({ network, transaction }, options) =>
      (await db.read(RECEIVED, [network, transaction], options)).map(toTransfer)[0],
    arrived: async (network, options) =>
      (await db.read(ARRIVED, [network], options)).map(({ digest, amount }) => {
        return { transaction: toText(digest), amount: toBigInt(amount) }
      }),
    receivedOf: async (session, options) => (await db.read(RECEIVED_OF, [session], options)).map(toTransfer)
  }
}

function values(role: 'payer' | 'payee', transfer: Transfer): NonNullable<Step[1]> {
  const { network, transaction, session, amount, sessionPaid, fee, demand, at } = transfer
  const money = [amount, sessionPaid, fee].map(String)
  return [role, network, transaction, session, ...money, demand.payload, demand.signature, at]
}

function toTransfer(row: Row): Transfer {
  return {
    network: toText(row.network),
    transaction: toText(row.digest),
    session: toText(row.session_id),
    amount: toBigInt(row.amount),
    sessionPaid: toBigInt(row.session_paid),
    fee: toBigInt(row.fee),
    demand: { payload: toBytes(row.demand), signature: toBytes(row.demand_signature) },
    at: Number(row.at)
  }
}

function toSigned(row: Row): SignedTransaction {
  return {
    network: toText(row.network),
    transaction: toText(row.digest),
    bytes: toBytes(row.bytes),
    signature: toBytes(row.signature),
    coins: JSON.parse(toText(row.coins)) as SignedTransaction['coins'],
    state: toText(row.state)
  }
}
