import type { Address, Hex } from './common.ts'

export interface NetworkToken {
  address: Address
  symbol: string
  decimals: number
  /** EIP-712 domain of the token, for EIP-3009. */
  name: string
  version: string
}

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
    /** Local chains give free native coins and test tokens. */
    dev?: boolean
  }
  contracts: {
    registry: Address
    escrow: Address
    /** keccak256 of the escrow's deployed code. */
    escrowCodeHash: Hex
    eip3009Collector: Address
    allowanceCollector: Address
  }
  tokens: NetworkToken[]
  /** Multiaddrs with /p2p/ of bootstrap nodes. */
  bootstrap: string[]
}
