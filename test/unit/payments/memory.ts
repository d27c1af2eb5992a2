import type {
  Address,
  Budget,
  ChannelChain,
  ChannelSession,
  ChannelState,
  ChannelStore,
  Hex,
  PayeeChannel,
  PayerChannel,
  SessionBinding
} from '../../../src/interface/index.ts'
import type { EvmPayeeInit } from '../../../src/payments/evm/payee.ts'
import { createEip712, evmPayee, evmPayer } from '../../../src/payments/index.ts'

export const eip712 = await createEip712()
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const at = (byte: string): Address => `0x${byte.repeat(20)}`

export function key(byte: number) {
  const privateKey = new Uint8Array(32).fill(byte)
  return { address: at(byte.toString(16).padStart(2, '0')), privateKey }
}

/** The ledger as it is on the disk: what is put is there when the promise resolves, in the order of the puts. */
export function memoryStore(pause: () => Promise<void> = async () => {}): ChannelStore {
  const payers = new Map<Hex, PayerChannel>()
  const payees = new Map<Hex, PayeeChannel>()
  const sessions = new Map<string, ChannelSession>()
  const keep = (role: string, session?: ChannelSession) => {
    if (session !== undefined) sessions.set(`${role} ${session.sessionId}`, { ...session })
  }
  return {
    putPayer: async (channel, session) => {
      const known = payers.get(channel.channelId)
      if (known !== undefined && channel.signed < known.signed) throw new Error('signed decreased')
      payers.set(channel.channelId, channel)
      keep('payer', session)
      await pause()
    },
    payer: async (channelId) => payers.get(channelId),
    payers: async () => [...payers.values()],
    putPayee: async (channel, session) => {
      const known = payees.get(channel.channelId)?.voucher?.maxClaimableAmount ?? 0n
      if ((channel.voucher?.maxClaimableAmount ?? 0n) < known) throw new Error('the voucher decreased')
      payees.set(channel.channelId, channel)
      keep('payee', session)
      await pause()
    },
    payee: async (channelId) => payees.get(channelId),
    payees: async () => [...payees.values()],
    sessions: async (role, channelId) =>
      [...sessions].filter(([id, one]) => id.startsWith(role) && one.channelId === channelId).map(([, one]) => one)
  }
}

/** The escrow's arithmetic without its chain: deposits add up, claims only grow and stay within them. */
export function memoryChain() {
  const balances = new Map<Hex, bigint>()
  const claimed = new Map<Hex, bigint>()
  const nonces = new Set<string>()
  const domain = eip712.escrowDomain(1, at('e5'))
  const refunds = new Map<Hex, bigint>()
  /** Takes back what came last; a deposit is final. */
  let undo = (): void => {}
  const stateOf = (channelId: Hex): ChannelState => ({
    balance: balances.get(channelId) ?? 0n,
    totalClaimed: claimed.get(channelId) ?? 0n,
    pendingWithdrawal: 0n,
    finalizeAfter: 0n
  })
  const chain: ChannelChain = {
    chainId: 1,
    escrow: at('e5'),
    token: { address: at('cc'), name: 'USD Coin', version: '2', decimals: 6 },
    eip3009Collector: at('c0'),
    account: at('5e'),
    channel: async (channelId) => stateOf(channelId),
    channelStates: async (channels) => channels.map(({ channelId }) => stateOf(channelId)),
    tokenBalance: async () => 10n ** 30n,
    deposit: async (config, { amount, data }) => {
      const channelId = eip712.channelId(domain, config)
      const nonce = eip712.depositNonce(channelId, BigInt(`0x${data.slice(2 + 128, 2 + 192)}`))
      if (nonces.has(nonce)) throw new Error('AuthorizationUsedOrCanceled')
      nonces.add(nonce)
      undo = () => {}
      balances.set(channelId, (balances.get(channelId) ?? 0n) + amount)
      return '0x'
    },
    isAuthorizationUsed: async (_owner, nonce) => nonces.has(nonce),
    simulateClaim: async () => undefined,
    claim: async (claims) => {
      const before = new Map(claimed)
      undo = () => {
        for (const [channelId] of claimed) claimed.set(channelId, before.get(channelId) ?? 0n)
      }
      for (const { config, totalClaimed, voucher } of claims) {
        const channelId = eip712.channelId(domain, config)
        if (totalClaimed > (balances.get(channelId) ?? 0n)) throw new Error('ClaimExceedsBalance')
        if (totalClaimed > voucher.maxClaimableAmount) throw new Error('ClaimExceedsCeiling')
        if (totalClaimed > (claimed.get(channelId) ?? 0n)) claimed.set(channelId, totalClaimed)
      }
      return '0x'
    },
    settle: async () => undefined,
    refundNonce: async (channelId) => refunds.get(channelId) ?? 0n,
    refund: async (config, { amount, nonce }) => {
      const channelId = eip712.channelId(domain, config)
      if (nonce !== (refunds.get(channelId) ?? 0n)) throw new Error('InvalidRefundNonce')
      refunds.set(channelId, nonce + 1n)
      const { balance, totalClaimed } = stateOf(channelId)
      undo = () => {
        refunds.set(channelId, nonce)
        balances.set(channelId, balance)
      }
      balances.set(channelId, balance - (amount < balance - totalClaimed ? amount : balance - totalClaimed))
      return '0x'
    },
    initiateWithdraw: async () => '0x',
    finalizeWithdraw: async () => '0x',
    gasPrice: async () => 1n,
    timestamp: async () => 1n
  }
  const reorg = (): void => {
    undo()
    undo = () => {}
  }
  return { chain, balances, claimed, reorg }
}

const network = { networkId: 'eip155:1', assetId: `eip155:1/erc20:${at('cc')}`, logger: silent, eip712 }

/** What binds the channel to the order of that number. */
export function bindingOf(order: number): SessionBinding {
  const digest: Hex = `0x${order.toString(16).padStart(64, '0')}`
  return { offerDigest: digest, buyerPeerDigest: digest, orderNonce: digest }
}

/** A budget without caps. */
export const unlimited: Budget = {
  reserve: async () => {},
  permit: () => {},
  revision: () => 0,
  settle: async () => {}
}

export function memoryPayer(
  chain: ChannelChain,
  channels: ChannelStore,
  budget: Budget = unlimited,
  { maxDeposit = 10n ** 30n }: { maxDeposit?: bigint } = {}
) {
  const voucherSigner = { ...key(0x51), address: eip712Address(0x51) }
  const wallet = { ...key(0x11), address: eip712Address(0x11) }
  const limits = { maxWithdrawDelay: 86_400, maxDeposit }
  return evmPayer({ ...network, ...limits, chain, channels, budget, wallet, voucherSigner })
}

export function memoryPayee(
  chain: ChannelChain,
  channels: ChannelStore,
  policy: Pick<EvmPayeeInit, 'claimPolicy' | 'relayGasPercent'> = {}
) {
  const accounts = { payTo: at('5e'), receiverAuthorizer: at('5a'), authorizerKey: key(0x5a).privateKey }
  return evmPayee({ ...network, ...accounts, ...policy, chain, channels, withdrawDelay: 3600, quiet: true })
}

function eip712Address(byte: number): Address {
  const digest = eip712.keccak(new Uint8Array(1))
  const signer = eip712.recover(digest, eip712.sign(digest, key(byte).privateKey))
  if (signer === undefined) throw new Error('no signer')
  return signer
}

export const LISTING = {
  rail: 'evm',
  network: network.networkId,
  asset: network.assetId,
  payTo: at('5e'),
  price: { amount: '1', count: 1, unit: 'record' }
} as const
