import { RECORD_POLICIES, RECORDS_MEDIA } from '../../interface/index.ts'
import { LOG_LEVELS } from '../logger/levels.ts'
import { DEFAULT_LISTEN, MAX_PENDING_PER_IP, MAX_PER_IP } from '../network/constants.ts'
import {
  address,
  amount,
  bootstrapAddress,
  duration,
  either,
  flag,
  integer,
  list,
  oneOf,
  peer,
  type Read,
  size,
  socketAddress,
  text,
  url
} from './values.ts'

/** Named as in `config.json`; the flag (`--max-connections`) and the variable (`DDM_MAX_CONNECTIONS`) follow from it. */
export interface Setting<T> {
  read: Read<T>
  /** As it would be written in the file; undefined: not set. */
  default: unknown
  description: string
}

function setting<T>(read: Read<T>, fallback: unknown, description: string): Setting<T> {
  return { read, default: fallback, description }
}

/** A setting that may be absent. */
function optional<T>(read: Read<T>, description: string): Setting<T | undefined> {
  return { read, default: undefined, description }
}

/** Every setting of a node. Amounts are whole tokens as text; time spans carry a unit outside, in memory they are ms. */
export const SETTINGS = {
  role: setting(
    oneOf('full', 'light', 'bootstrap'),
    'full',
    'full: answers DHT queries and keeps documents; light: only asks; bootstrap: full, and relays'
  ),
  listen: setting(
    list(address),
    DEFAULT_LISTEN,
    'multiaddrs to listen on; port 0 takes a free one; /p2p-circuit asks a relay for an address'
  ),
  announce: setting(list(address), [], 'multiaddrs told to others instead: behind a port forwarding'),
  bootstrap: setting(list(bootstrapAddress), [], 'bootstrap nodes besides those of the network profile'),
  rpc: setting(list(url), [], 'URLs of the chain, used instead of those of the network profile'),
  logLevel: setting(oneOf(...LOG_LEVELS), 'info', 'least severe messages that are logged'),
  logFile: optional(
    text,
    'file for the log, JSON lines; otherwise standard error. ddm.log is written as ddm.1.log, ddm.2.log …'
  ),
  logMaxSize: setting(size('1k', '1g'), '10m', 'a log file of this size is followed by the next'),
  logKeep: setting(integer(1, 1_000), 5, 'log files that are kept, with the one that is written'),
  api: setting(
    either('off', socketAddress),
    '127.0.0.1:0',
    'where the control API and the page are served: address:port, port 0 takes a free one; off: nowhere'
  ),
  apiHosts: setting(list(text), [], 'further names under which the API may be asked, with port: node.lan:8420'),
  insecureDevKeys: setting(flag, false, 'creates key files without encryption: test networks only'),

  credit: setting(
    amount,
    '0.01',
    'seller: most that one buyer may ever owe; credit grows up to it with what was settled'
  ),
  strangerCredit: setting(amount, '0.1', 'seller: most that all strangers of an hour may owe together'),
  prepay: setting(amount, '0.01', 'buyer: most that is ever paid ahead to one seller; grows up to it like credit'),
  claimInterval: setting(duration('10s', '7d'), '10m', 'seller: vouchers older than this are presented to the chain'),
  claimAbove: setting(amount, '1', 'seller: vouchers are presented at once when more than this is unclaimed'),
  claimGasPercent: setting(
    integer(1, 100),
    5,
    'seller: vouchers wait until gas is at most this share of what claiming them brings, in percent, unless they are in danger'
  ),
  relayGasPercent: setting(
    integer(1, 100),
    10,
    'seller: gas of a deposit that it relays for a buyer may be at most this share of the deposit, in percent'
  ),
  nativePrice: setting(
    amount,
    '0',
    'seller: what one coin of the chain is worth in tokens, to weigh gas by; 0: gas is not weighed'
  ),
  withdrawDelay: setting(
    duration('15m', '30d'),
    '24h',
    'seller: time between a payer asking its deposit back and getting it'
  ),
  maxWithdrawDelay: setting(
    duration('15m', '30d'),
    '7d',
    "buyer: longest withdraw delay accepted from a seller's offer"
  ),

  budgetPerRecord: setting(amount, '0.1', 'buyer: highest price of one record'),
  budgetPerSession: setting(amount, '10', 'buyer: most that one purchase may cost'),
  budgetPerSeller: setting(amount, '50', 'buyer: most that one seller may get in a day'),
  budgetPerHour: setting(amount, '20', 'buyer: most that may be spent in an hour'),
  budgetPerDay: setting(amount, '50', 'buyer: most that may be spent in a day'),
  budgetDeposit: setting(amount, '10', 'buyer: most that is deposited with one seller'),
  budgetSellers: setting(list(peer), [], 'buyer: peer IDs of the only sellers that are paid; none: everybody'),

  rails: setting(
    list(oneOf('free', 'evm', 'iota')),
    ['free', 'evm', 'iota'],
    'buyer: ways to pay, the preferred first; others are not used'
  ),
  maxFeePercent: setting(
    integer(1, 100),
    1,
    'most that the fee of a payment may be of it, in percent, where each payment costs one: invoices are that large'
  ),

  sponsorFees: setting(
    flag,
    false,
    "seller: pays the fees of its buyers' payments, where each payment costs one, as far as maxFeePercent allows"
  ),
  recordsMedium: setting(
    oneOf(...RECORDS_MEDIA),
    'none',
    'ledger on which digests of orders, invoices and receipts are recorded; nothing but digests leaves the machine'
  ),
  records: setting(
    oneOf(...RECORD_POLICIES),
    'session',
    'when they are recorded: each at once, those of a session when it is over, or all of a day together'
  ),

  keepRecords: optional(
    duration('1h', '36500d'),
    'seller: records of streams that are older are forgotten, unless a buyer that was cut may still ask for them; not set: none. Finite products are kept whole'
  ),

  maxSessionsPerBuyer: setting(
    integer(1, 10_000),
    16,
    'seller: sessions of one buyer at a time, counted by peer ID and by paying account'
  ),
  orderRatePerBuyer: setting(
    integer(1, 100_000),
    120,
    'seller: orders and resumes of one buyer in a minute, counted in the same way'
  ),

  directDeposits: setting(
    flag,
    false,
    'buyer: sends its deposits to the chain itself and pays the gas; otherwise sellers relay them'
  ),

  maxConnections: optional(integer(1, 100_000), 'connections at once; 1000 on a bootstrap node, otherwise 300'),
  reservedConnections: optional(
    integer(0, 100_000),
    'of these, kept for buyers with a funded channel; otherwise a quarter'
  ),
  maxConnectionsPerIp: setting(
    integer(1, 100_000),
    MAX_PER_IP,
    'connections of peers without a funded channel from one IP address; an IPv6 /64 counts as one'
  ),
  maxPendingPerIp: setting(
    integer(1, 100_000),
    MAX_PENDING_PER_IP,
    'handshakes under way from one IP address; further ones push out its oldest'
  ),
  inboundPerSecond: setting(integer(1, 100_000), 5, 'inbound connections per second from one IP address'),
  idleTimeout: setting(
    duration('1s', '1d'),
    '1m',
    'unused for this long, a connection gives way to a newcomer when slots are scarce'
  ),
  limitLoopback: setting(
    flag,
    false,
    'the limits per IP address hold for loopback too; otherwise many nodes can share one machine'
  )
} as const satisfies Record<string, Setting<unknown>>

export type SettingName = keyof typeof SETTINGS

/** The settings with their values. Amounts are whole tokens as text (`'0.05'`), time spans milliseconds, sizes MiB. */
export type NodeConfig = {
  [K in SettingName]: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never
}

/** Settings that are text: amounts in whole tokens, and a few names. */
export type TextSetting = { [K in SettingName]: NodeConfig[K] extends string ? K : never }[SettingName]

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[]

/** `maxConnections` → `--max-connections`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** `maxConnections` → `DDM_MAX_CONNECTIONS`. */
export function variableOf(name: string): string {
  return `DDM_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

/** The settings as a Markdown table, for the guide and `--help`. */
export function describeSettings(): string {
  const rows = SETTING_NAMES.map((name) => {
    const { default: fallback, description } = SETTINGS[name]
    const shown = fallback === undefined ? '' : `\`${JSON.stringify(fallback)}\``
    return `| \`${name}\` | \`${variableOf(name)}\` | ${shown} | ${description} |`
  })
  return ['| setting | variable | default | meaning |', '|---|---|---|---|', ...rows].join('\n')
}
