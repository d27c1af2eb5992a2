import { performance } from 'node:perf_hooks'
import type { Address, ChannelChain, ChannelStore, PayeeChannel, PayerChannel } from '../src/interface/index.ts'
import { createEip712, evmPayee, evmPayer } from '../src/payments/index.ts'

/** One channel in this process, no disk, no chain: what a voucher costs to sign, and to verify and credit. */
const WARM_UP = 2_000
const PAYMENTS = 20_000
const RUNS = 3

const at = (byte: string): Address => `0x${byte.repeat(20)}`
const NETWORK = { networkId: 'eip155:31337', assetId: `eip155:31337/erc20:${at('cc')}` }
const DIGEST = `0x${'0d'.repeat(32)}` as const
const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export async function run(arguments_: string[]): Promise<void> {
  const json = arguments_.includes('--json')
  for (let i = 0; i < RUNS; i++) {
    const row = { bench: 'payments', rail: 'evm', payments: PAYMENTS, ...(await measure()) }
    process.stdout.write(
      json
        ? `${JSON.stringify(row)}\n`
        : `${PAYMENTS} payments: pay ${row.payMicroseconds} µs, verify and credit ${row.creditMicroseconds} µs\n`
    )
  }
}

async function measure(): Promise<{ payMicroseconds: number; creditMicroseconds: number }> {
  const { buying, selling } = await openSession()
  const payloads: Array<Awaited<ReturnType<typeof buying.pay>>> = []
  const total = WARM_UP + PAYMENTS
  const payMicroseconds = await time(async (n) => {
    payloads[n] = await buying.pay(BigInt(n))
  }, total)
  const creditMicroseconds = await time(async (n) => {
    const problem = selling.verify(BigInt(n), payloads[n])
    if (problem !== undefined) throw new Error(problem)
    await selling.credit(BigInt(n), payloads[n])
  }, total)
  return { payMicroseconds, creditMicroseconds }
}

/** Mean of what comes after the warm-up. */
async function time(step: (n: number) => Promise<void>, total: number): Promise<number> {
  let start = 0
  for (let n = 1; n <= total; n++) {
    if (n === WARM_UP + 1) start = performance.now()
    await step(n)
  }
  return Number((((performance.now() - start) * 1000) / PAYMENTS).toFixed(1))
}

async function openSession() {
  const eip712 = await createEip712()
  const privateKey = new Uint8Array(32).fill(0x51)
  const digest = new Uint8Array(32)
  const address = eip712.recover(digest, eip712.sign(digest, privateKey)) as Address
  const common = { ...NETWORK, chain: fundedChain(), channels: noDisk(), eip712, logger }
  const signer = { address, privateKey }
  const payer = evmPayer({
    ...common,
    budget: { reserve: async () => {}, permit: () => {}, revision: () => 0, settle: async () => {} },
    wallet: signer,
    voucherSigner: signer,
    maxWithdrawDelay: 86_400,
    maxDeposit: 1n << 100n
  })
  const accounts = { payTo: at('5e'), receiverAuthorizer: at('5a') }
  const payee = evmPayee({ ...common, ...accounts, withdrawDelay: 86_400 })
  const price = { amount: '1', count: 1, unit: 'record' as const }
  const terms = payee.terms({ rail: 'evm', network: NETWORK.networkId, asset: NETWORK.assetId, payTo: at('5e'), price })
  if (terms === undefined) throw new Error('the payee does not serve the listing')
  const binding = { offerDigest: DIGEST, buyerPeerDigest: DIGEST, orderNonce: DIGEST }
  const maximum = BigInt(WARM_UP + PAYMENTS)
  const buying = await payer.open({ terms, binding, seller: 'seller', maximum, one: 1n })
  await buying.begin('session')
  const selling = await payee.accept({ terms, binding, order: buying.order, buyer: 'buyer', maximum })
  await selling.begin('session')
  await buying.accept(selling.base ?? 0n, selling.proof)
  return { buying, selling }
}

function fundedChain(): ChannelChain {
  const state = { balance: 1n << 64n, totalClaimed: 0n, pendingWithdrawal: 0n, finalizeAfter: 0n }
  return {
    chainId: 31337,
    escrow: at('e5'),
    token: { address: at('cc'), name: 'USD Coin', version: '2', decimals: 6 },
    eip3009Collector: at('c0'),
    account: at('5e'),
    channel: async () => state,
    channelStates: async (channels) => channels.map(() => state),
    tokenBalance: async () => 1n << 64n,
    deposit: async () => '0x',
    isAuthorizationUsed: async () => false,
    simulateClaim: async () => undefined,
    claim: async () => '0x',
    settle: async () => undefined,
    refundNonce: async () => 0n,
    refund: async () => '0x',
    initiateWithdraw: async () => '0x',
    finalizeWithdraw: async () => '0x',
    gasPrice: async () => 0n,
    timestamp: async () => 0n
  }
}

/** Takes every write at once: the figures are those of the arithmetic and the signatures. */
function noDisk(): ChannelStore {
  const payers = new Map<string, PayerChannel>()
  const payees = new Map<string, PayeeChannel>()
  return {
    putPayer: async (channel) => void payers.set(channel.channelId, channel),
    payer: async (channelId) => payers.get(channelId),
    payers: async () => [...payers.values()],
    putPayee: async (channel) => void payees.set(channel.channelId, channel),
    payee: async (channelId) => payees.get(channelId),
    payees: async () => [...payees.values()],
    sessions: async () => []
  }
}
