import type { AbortOptions, Address, Hex } from './common.ts'

/** Channel parameters of the x402 batch-settlement scheme; `channelId` is their EIP-712 hash under chain and escrow. */
export interface ChannelConfig {
  payer: Address
  payerAuthorizer: Address
  receiver: Address
  receiverAuthorizer: Address
  token: Address
  /** Seconds. */
  withdrawDelay: number
  salt: Hex
}

/** EIP-3009 authorization that the seller relays to the escrow, so that the buyer needs no gas. */
export interface DepositAuthorization {
  amount: bigint
  /** Address of the collector; the seller uses it only if it is the one of its own network profile. */
  collector: Address
  /** Collector's calldata: for EIP-3009 validAfter, validBefore, salt and signature. */
  data: Hex
}

/** Rail payload of PAYMENT: a voucher for the channel's whole cumulative amount. */
export interface VoucherPayload {
  channelId: Hex
  maxClaimableAmount: bigint
  /** 65 bytes r ‖ s ‖ v, low s, v ∈ {27, 28}. */
  signature: Hex
}

/** A channel as one side sees it: its own ledger and the state of the chain. Amounts in atomic units. */
export interface ChannelStanding {
  channelId: Hex
  role: 'payer' | 'payee'
  /** Whom it is with: a payer knows the seller's peer ID, a payee the paying account. */
  counterparty: string
  /** At confirmation depth. */
  balance: bigint
  /** Deposited, and not at confirmation depth yet. */
  unconfirmed: bigint
  /** The highest voucher: signed (payer) or held (payee). */
  paid: bigint
  /** As the chain has it. */
  claimed: bigint
  /** Paid for and not claimed: what a payee would lose if the deposit were gone. */
  unclaimed: bigint
  /** Of the balance what nobody has used or been promised. */
  unspent: bigint
  /** Payer: signed and not consumed by any session: the seller may take it. Payee: 0. */
  ahead: bigint
  /** Asked back by the payer. */
  pendingWithdrawal: bigint
  /** Unix seconds from which the payer may take it; 0 when nothing was asked back. */
  finalizeAfter: bigint
}

/** What a buyer does with its channels besides buying. */
export interface PayerChannels {
  list: (options?: AbortOptions) => Promise<ChannelStanding[]>
  /**
   * Asks a deposit back without the seller: it can be taken after the channel's withdraw delay.
   *
   * @param amount - atomic units. @default all that is unspent
   * @throws DdmError `notFound`, `funds` (nothing is left), `refused` (one is under way already)
   */
  withdraw: (
    channelId: Hex,
    amount?: bigint,
    options?: AbortOptions
  ) => Promise<{ amount: bigint; finalizeAfter: bigint; transaction: Hex }>
  /** Takes what was asked back. Throws `refused` with the time when it is too early. */
  finish: (channelId: Hex, options?: AbortOptions) => Promise<{ amount: bigint; transaction: Hex }>
}

/** What a seller does with its channels besides selling. */
export interface PayeeChannels {
  list: (options?: AbortOptions) => Promise<ChannelStanding[]>
  /**
   * Looks at the channels as chain state: what a withdrawal takes pays for nothing more. Waits for no transaction. Call it at
   * each new head while a `watch` is under way.
   */
  look: (options?: AbortOptions) => Promise<void>
  /**
   * Looks at the channels, and claims what is due by policy (docs/specs/payments.md, Settlement): resolves when that is
   * mined. Call it at each new head.
   */
  watch: (options?: AbortOptions) => Promise<ClaimResult>
  /** Finishes refunds that an earlier run began, or that failed; resolves when they are mined, or wait to be tried again. */
  finishRefunds: (options?: AbortOptions) => Promise<void>
  /**
   * Ends what an earlier run left open and nobody knows: it could neither go on nor be given up. What was paid in it stays
   * consumed. Call it before anything is ordered.
   */
  endStray: (isKnown: (sessionId: string) => Promise<boolean>, options?: AbortOptions) => Promise<void>
  /** Claims what was paid for, then pays the rest back to the payer; what open sessions may still cost stays. */
  refund: (channelId: Hex, options?: AbortOptions) => Promise<RefundResult>
  /** What the last look at the channels left unclaimed, and how old the oldest of it is at least. Asks no chain. */
  held: () => Promise<{ unclaimed: bigint; ageSeconds: number }>
  /**
   * What a channel in use surely holds beyond what was claimed, as it was last looked at: confirmed, and nobody is taking it
   * back. Asks no chain.
   */
  funds: (channelId: Hex) => Promise<bigint>
}

export interface RefundResult {
  /** Atomic units; 0 when nothing was left, or not enough to be worth the gas. */
  amount: bigint
  transaction?: Hex
}

export interface ClaimResult {
  /** Newly claimed, atomic units per token summed (one token per network profile in this version). */
  claimed: bigint
  transactions: Hex[]
  /** Vouchers that the simulation refused, with the reason; the others of the batch went through. */
  rejected: Array<{ channelId: Hex; reason: string }>
}

/** State of a channel on the chain. */
export interface ChannelState {
  balance: bigint
  totalClaimed: bigint
  /** Amount whose withdrawal was initiated; 0 when none. */
  pendingWithdrawal: bigint
  /** Unix seconds after which it may be finalised; 0 when none. */
  finalizeAfter: bigint
  /** Deposited, and not at confirmation depth yet. @default 0n */
  unconfirmed?: bigint
}

/** A payment back to the payer, authorised by the channel's receiverAuthorizer. */
export interface RefundAuthorization {
  amount: bigint
  /** The escrow's `refundNonce` of the channel: each counts once. */
  nonce: bigint
  /** 65-byte EIP-712 `Refund` signature. */
  signature: Hex
}

export interface VoucherClaim {
  config: ChannelConfig
  voucher: VoucherPayload
  /** Cumulative amount to claim, ≤ voucher.maxClaimableAmount. */
  totalClaimed: bigint
}

/** What the evm rail needs of a chain. Implemented by chain (viem); money-relevant addresses come from the network profile. */
export interface ChannelChain {
  readonly chainId: number
  readonly escrow: Address
  readonly token: { address: Address; name: string; version: string; decimals: number }
  readonly eip3009Collector: Address
  /** Account that sends transactions, lower case. */
  readonly account: Address
  /** Read at the profile's confirmation depth. */
  channel: (channelId: Hex, options?: AbortOptions) => Promise<ChannelState>
  /** The same of many channels, with few requests; in their order. */
  channelStates: (
    channels: ReadonlyArray<{ channelId: Hex; config: Pick<ChannelConfig, 'withdrawDelay'> }>,
    options?: AbortOptions
  ) => Promise<ChannelState[]>
  tokenBalance: (owner: Address, options?: AbortOptions) => Promise<bigint>
  /**
   * Escrow `deposit` through a collector; resolves with the transaction hash when mined at confirmation depth. One that needs
   * more than `maxGas` is refused: a payer may be a contract, whose code checks the signature at the sender's cost.
   */
  deposit: (
    config: ChannelConfig,
    deposit: DepositAuthorization,
    options?: AbortOptions & { maxGas?: bigint }
  ) => Promise<Hex>
  /** Whether an EIP-3009 authorization of the token was carried out, read at the profile's confirmation depth like the balance. */
  isAuthorizationUsed: (owner: Address, nonce: Hex, options?: AbortOptions) => Promise<boolean>
  /** Simulates one batch; undefined when it goes through, else the reason. */
  simulateClaim: (claims: VoucherClaim[], options?: AbortOptions) => Promise<string | undefined>
  claim: (claims: VoucherClaim[], options?: AbortOptions) => Promise<Hex>
  settle: (receiver: Address, token: Address, options?: AbortOptions) => Promise<Hex | undefined>
  refundNonce: (channelId: Hex, options?: AbortOptions) => Promise<bigint>
  refund: (config: ChannelConfig, refund: RefundAuthorization, options?: AbortOptions) => Promise<Hex>
  initiateWithdraw: (config: ChannelConfig, amount: bigint, options?: AbortOptions) => Promise<Hex>
  finalizeWithdraw: (config: ChannelConfig, options?: AbortOptions) => Promise<Hex>
  /** Wei per gas that a transaction would cost now. */
  gasPrice: (options?: AbortOptions) => Promise<bigint>
  /** Unix seconds of the latest block: time for money. */
  timestamp: (options?: AbortOptions) => Promise<bigint>
}
