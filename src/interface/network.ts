import type { Address, AssetId, Hex, NetworkId } from './common.ts'
import { DdmError } from './errors.ts'
import type { RailName } from './payment.ts'

/** What amounts are counted in: `10 ** decimals` atomic units are one whole token. */
export interface Currency {
  symbol: string
  decimals: number
}

export interface NetworkToken extends Currency {
  address: Address
  /** EIP-712 domain of the token, for EIP-3009. */
  name: string
  version: string
}

export const FEE_STYLES = ['eip1559', 'legacy'] as const

export type FeeStyle = (typeof FEE_STYLES)[number]

/**
 * One file names a network; it is all that two machines need to share. Money-relevant addresses come from here and from
 * nowhere else, never from a peer.
 */
export interface NetworkProfile {
  v: 1
  /** Short name: `local`. Part of the gossip topic `/ddm/listings/1/<name>`. */
  name: string
  chain: {
    id: number
    /** Hash of block 0: a fresh dev chain may reuse chain ID and addresses. */
    genesisHash: Hex
    rpcUrls: string[]
    /** Blocks after which a balance or a log counts as final; 0 on dev chains. */
    confirmations: number
    /** Transactions that the chain takes: those of EIP-1559, or only the older ones at a gas price. @default 'eip1559' */
    fees?: FeeStyle
    /** Local chains give free native coins and test tokens. */
    dev?: boolean
    /** Page about a transaction, with `{transaction}` for its hash: what people look it up with. */
    explorer?: string
  }
  contracts: {
    registry: Address
    escrow: Address
    /** keccak256 of the escrow's deployed code. */
    escrowCodeHash: Hex
    eip3009Collector: Address
    allowanceCollector: Address
    /** Where digests are recorded; without it the chain is no records medium. */
    records?: Address
  }
  tokens: NetworkToken[]
  /** Multiaddrs with /p2p/ of bootstrap nodes. */
  bootstrap: string[]
  /** Where the iota rail pays; without it there is none. */
  iota?: IotaNetwork
}

export interface IotaNetwork {
  /** First four bytes of the genesis checkpoint's digest: a node that serves another network is not used. */
  chainIdentifier: string
  rpcUrl: string
  /** Gives away coins: local and test networks only. */
  faucetUrl?: string
  /** Page about a transaction, with `{transaction}` for its digest. */
  explorer?: string
}

/** One whole IOTA is 10⁹ nanos. */
const IOTA: Currency = { symbol: 'IOTA', decimals: 9 }

/** CAIP-2 name: `iota:6364aad5`. */
/**
 * Whether blocks come with transactions only, as on IOTA EVM or a dev chain: an old one is no sign of a node that lags, and
 * nobody can wait for a depth.
 */
export function isQuiet({ chain: { dev, confirmations } }: Pick<NetworkProfile, 'chain'>): boolean {
  return dev === true || confirmations === 0
}

export function iotaNetworkId({ chainIdentifier }: IotaNetwork): NetworkId {
  return `iota:${chainIdentifier}`
}

/** CAIP-19 name of the network's own coin (SLIP-44 type 4218). */
export function iotaAssetId(network: IotaNetwork): AssetId {
  return `${iotaNetworkId(network)}/slip44:4218`
}

/** What a rail pays in on this network: the profile's first token, or IOTA. */
export function currencyOf({ name, tokens }: Pick<NetworkProfile, 'name' | 'tokens'>, rail: RailName): Currency {
  if (rail === 'iota') return IOTA
  const [first] = tokens
  if (first === undefined) throw new DdmError('config', `network profile ${name} names no token`)
  return first
}
