import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { decode } from '@ipld/dag-cbor'
import type { Hex } from '../../src/interface/index.ts'

/** A home's ledger as it is on the disk, read past the code under test, whether its owner lives or not. */
export interface LedgerView {
  sessions: Map<string, SessionView>
  channels: Map<Hex, ChannelView>
}

export interface SessionView {
  state: string
  channel: Hex | undefined
  openedAt: number
  start: bigint
  position: bigint
  due: bigint
  /** Of the channel: signed for this session, or credited to it. */
  paid: bigint
  credit: bigint
  open: boolean
  consumed: bigint
  sink: string | undefined
  /** Highest that a statement of the seller says is credited. */
  credited: bigint
  receipted: boolean
}

export interface ChannelView {
  /** Highest voucher: signed, or held. */
  voucher: bigint
  base: bigint
  /** Buyer's ledger only. */
  deposited: bigint
  /** Seller's ledger only: a refund that may be on its way. */
  refunding: boolean
}

type Row = Record<string, string | number | Uint8Array | null>

export function readLedger(home: string, role: 'buyer' | 'seller'): LedgerView {
  const path = join(home, 'ledger.db')
  const view: LedgerView = { sessions: new Map(), channels: new Map() }
  if (!existsSync(path)) return view
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5000 })
  const all = (sql: string, ...values: string[]): Row[] => db.prepare(sql).all(...values) as Row[]
  const side = role === 'buyer' ? 'payer' : 'payee'
  try {
    // One snapshot: the owner may be writing.
    db.exec('BEGIN')
    // Killed while it made its tables.
    if (all("SELECT name FROM sqlite_schema WHERE name = 'grants'").length === 0) return view
    for (const row of all('SELECT * FROM sessions WHERE role = ?', role)) {
      view.sessions.set(String(row.id), {
        state: String(row.state),
        channel: row.channel_id === null ? undefined : (String(row.channel_id) as Hex),
        openedAt: Number(row.opened_at),
        start: BigInt(Number(row.start)),
        position: BigInt(Number(row.position)),
        due: BigInt(String(row.due)),
        credit: BigInt(String(row.credit)),
        sink: row.sink === null ? undefined : String(row.sink),
        paid: 0n,
        open: false,
        consumed: 0n,
        credited: 0n,
        receipted: false
      })
    }
    for (const row of all('SELECT * FROM channel_sessions WHERE role = ?', side)) {
      const session = view.sessions.get(String(row.session_id))
      if (session === undefined) continue
      session.paid = BigInt(String(row.paid))
      session.open = row.open === 1
      session.consumed = BigInt(String(row.consumed))
    }
    const signed = "SELECT * FROM statements WHERE role = ? AND kind IN ('accept', 'invoice', 'receipt')"
    for (const row of all(signed, role)) {
      const session = view.sessions.get(String(row.session_id))
      if (session === undefined) continue
      const { credited = '0' } = decode<{ credited?: string }>(row.payload as Uint8Array)
      if (BigInt(credited) > session.credited) session.credited = BigInt(credited)
      if (row.kind === 'receipt') session.receipted = true
    }
    for (const row of all(`SELECT * FROM ${side}_channels`)) {
      const voucher = role === 'buyer' ? row.signed : row.voucher
      view.channels.set(String(row.channel_id) as Hex, {
        voucher: BigInt(voucher === null ? 0 : String(voucher)),
        base: BigInt(String(row.base)),
        deposited: BigInt(String(row.deposited ?? 0)),
        refunding: (row.refund ?? null) !== null
      })
    }
    return view
  } finally {
    db.close()
  }
}
