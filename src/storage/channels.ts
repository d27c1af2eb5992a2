import type {
  Address,
  ChannelConfig,
  ChannelSession,
  ChannelStore,
  Hex,
  OpenAuthorization,
  PayeeChannel,
  PayerChannel
} from '../interface/index.ts'
import type { Connection } from './connection.ts'
import type { Row, Step } from './protocol.ts'
import { toBigInt, toText } from './values.ts'

// The config never changes: its hash is the channel's ID.
const PUT_PAYER = `INSERT INTO payer_channels (channel_id, config, seller, chain_id, escrow, deposited, signed, signature,
  base, stale, authorization) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET seller = excluded.seller, deposited = excluded.deposited, signed = excluded.signed,
  signature = excluded.signature, base = excluded.base, stale = excluded.stale, authorization = excluded.authorization`
const PUT_PAYEE = `INSERT INTO payee_channels (channel_id, config, chain_id, escrow, voucher, signature, base, claimed,
  refund, refund_nonce) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET voucher = excluded.voucher, signature = excluded.signature, base = excluded.base,
  claimed = excluded.claimed, refund = excluded.refund, refund_nonce = excluded.refund_nonce`
const PUT_SESSION = `INSERT INTO channel_sessions (role, channel_id, session_id, paid, open, consumed, signed)
  VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET paid = excluded.paid, open = excluded.open, consumed = excluded.consumed, signed = excluded.signed`
const PAYER = 'SELECT * FROM payer_channels WHERE channel_id = ?'
const PAYERS = 'SELECT * FROM payer_channels ORDER BY channel_id'
const PAYEE = 'SELECT * FROM payee_channels WHERE channel_id = ?'
const PAYEES = 'SELECT * FROM payee_channels ORDER BY channel_id'
const SESSIONS = 'SELECT * FROM channel_sessions WHERE role = ? AND channel_id = ? ORDER BY session_id'

/**
 * Channels and vouchers in ledger.db. What was signed, and the highest voucher held, never decrease: the database
 * refuses such a write with both amounts.
 */
export function channelStore(db: Connection): ChannelStore {
  return {
    putPayer: async (c, session, options) => {
      const names = [c.channelId, JSON.stringify(c.config), c.seller, c.chainId, c.escrow]
      const money = [String(c.deposited), String(c.signed), c.signature ?? null, String(c.base)]
      const put: Step = [PUT_PAYER, [...names, ...money, c.stale === true ? 1 : 0, fromAuthorization(c.authorization)]]
      await db.write(withSession(put, 'payer', session), options)
    },
    payer: async (channelId, options) => (await db.read(PAYER, [channelId], options)).map(toPayer)[0],
    payers: async (options) => (await db.read(PAYERS, [], options)).map(toPayer),
    putPayee: async (c, session, options) => {
      const names = [c.channelId, JSON.stringify(c.config), c.chainId, c.escrow]
      const voucher = [c.voucher === undefined ? null : String(c.voucher.maxClaimableAmount)]
      const money = [...voucher, c.voucher?.signature ?? null, String(c.base), String(c.claimed)]
      const refund = c.refund === undefined ? [null, null] : [String(c.refund.amount), String(c.refund.nonce)]
      await db.write(withSession([PUT_PAYEE, [...names, ...money, ...refund]], 'payee', session), options)
    },
    payee: async (channelId, options) => (await db.read(PAYEE, [channelId], options)).map(toPayee)[0],
    payees: async (options) => (await db.read(PAYEES, [], options)).map(toPayee),
    sessions: async (role, channelId, options) => (await db.read(SESSIONS, [role, channelId], options)).map(toSession)
  }
}

function withSession(put: Step, role: 'payer' | 'payee', session: ChannelSession | undefined): Step[] {
  if (session === undefined) return [put]
  const { channelId, sessionId, paid, open, consumed, signed } = session
  return [
    put,
    [PUT_SESSION, [role, channelId, sessionId, String(paid), open ? 1 : 0, String(consumed), String(signed)]]
  ]
}

function toPayer(row: Row): PayerChannel {
  return {
    ...common(row),
    seller: toText(row.seller),
    deposited: toBigInt(row.deposited),
    signed: toBigInt(row.signed),
    ...(row.signature === null ? {} : { signature: toText<Hex>(row.signature) }),
    ...(row.stale === 1 ? { stale: true } : {}),
    ...(row.authorization === null ? {} : { authorization: toAuthorization(toText(row.authorization)) })
  }
}

function fromAuthorization(open: OpenAuthorization | undefined): string | null {
  if (open === undefined) return null
  return [open.salt, open.amount, open.validBefore].join(' ')
}

function toAuthorization(text: string): OpenAuthorization {
  // Earlier versions wrote the balance of that time before the end.
  const [salt, amount, ...rest] = text.split(' ').map(BigInt) as [bigint, bigint, ...bigint[]]
  return { salt, amount, validBefore: rest.at(-1) as bigint }
}

function toPayee(row: Row): PayeeChannel {
  const channel = {
    ...common(row),
    claimed: toBigInt(row.claimed),
    ...(row.refund === null ? {} : { refund: { amount: toBigInt(row.refund), nonce: toBigInt(row.refund_nonce) } })
  }
  if (row.voucher === null) return channel
  const { channelId } = channel
  const voucher = { channelId, maxClaimableAmount: toBigInt(row.voucher), signature: toText<Hex>(row.signature) }
  return { ...channel, voucher }
}

function common(row: Row): Pick<PayeeChannel, 'channelId' | 'config' | 'chainId' | 'escrow' | 'base'> {
  return {
    channelId: toText<Hex>(row.channel_id),
    config: JSON.parse(toText(row.config)) as ChannelConfig,
    chainId: Number(row.chain_id),
    escrow: toText<Address>(row.escrow),
    base: toBigInt(row.base)
  }
}

function toSession(row: Row): ChannelSession {
  return {
    sessionId: toText(row.session_id),
    channelId: toText<Hex>(row.channel_id),
    paid: toBigInt(row.paid),
    open: row.open === 1,
    consumed: toBigInt(row.consumed),
    signed: toBigInt(row.signed)
  }
}
