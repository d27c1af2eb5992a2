import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { encodeFunctionData } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { channelEscrowAbi } from '../../../src/chain/abi.ts'
import { describeRevert } from '../../../src/chain/errors.ts'
import {
  assetId,
  type Chain,
  connectChain,
  deployContracts,
  devAccounts,
  networkId,
  startLocalChain
} from '../../../src/chain/index.ts'
import type {
  Address,
  ChannelChain,
  ChannelConfig,
  Hex,
  ListingPayment,
  NetworkProfile,
  Payee,
  PayeeRequest,
  Payer,
  PaymentTerms,
  RailOrder,
  SessionBinding
} from '../../../src/interface/index.ts'
import {
  type BudgetLimits,
  createBudget,
  createEip712,
  type EvmPayeeInit,
  evmPayee,
  evmPayer
} from '../../../src/payments/index.ts'
import { type Ledger, openLedger } from '../../../src/storage/index.ts'
import { tempDir } from '../../support/temp-dir.ts'
import type { Market, RailSetup } from './payment-rail.ts'
import { channelIdOf, type Place, signDeposit, signSession } from './typed-data.ts'

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const SELLER = 1
const TOKENS = 1_000_000n
export const WITHDRAW_DELAY = 3600

interface World {
  profile: NetworkProfile
  chain: Chain
  channels: ChannelChain
  rpcUrl: string
}

/** One local chain for the tests of a file; every test has its own buyer, ledgers and receiverAuthorizer on it. */
export function evmSetup(): RailSetup<EvmMarket> {
  let world: Promise<World> | undefined
  const closers: Array<() => Promise<void>> = []
  after(async () => {
    for (const close of closers.reverse()) await close()
  })
  const start = async (): Promise<World> => {
    const local = await startLocalChain()
    closers.push(() => local.close())
    const [deployer, seller] = await devAccounts()
    assert.ok(deployer && seller)
    const { rpcUrl } = local
    const profile = await deployContracts({
      rpcUrl,
      privateKey: deployer.privateKey,
      name: 'test',
      dev: true,
      logger: silent
    })
    const chain = await connect(profile, SELLER, closers)
    return { profile, chain, channels: channelsOf(chain), rpcUrl }
  }
  return {
    rail: 'evm',
    start: async (t, options) => {
      world ??= start()
      return new EvmMarket(t, await world, options?.limits ?? {}).open()
    }
  }
}

async function connect(profile: NetworkProfile, index: number, closers: Array<() => Promise<void>>): Promise<Chain> {
  const account = (await devAccounts())[index]
  assert.ok(account)
  const { address, privateKey } = account
  const chain = await connectChain({ profile, wallet: { account: address, privateKey }, logger: silent })
  closers.push(() => chain.close())
  return chain
}

function channelsOf(chain: Chain): ChannelChain {
  assert.ok(chain.channels)
  return chain.channels
}

function newKey(): { address: Address; key: Hex; privateKey: Uint8Array } {
  const privateKey = new Uint8Array(randomBytes(32))
  const key: Hex = `0x${Buffer.from(privateKey).toString('hex')}`
  return { address: addressOf(key), key, privateKey }
}

export function addressOf(key: Hex): Address {
  return privateKeyToAccount(key).address.toLowerCase() as Address
}

export interface CheatingOrder extends Partial<Pick<RailOrder, 'channelAuth' | 'accountAuth' | 'deposit'>> {
  config?: Partial<ChannelConfig>
  /** Signs channelAuth. @default the channel's authorizer */
  key?: Hex
  /** Signs accountAuth. @default nobody */
  accountKey?: Hex
  /** Chain and escrow that channelAuth is signed for. @default the market's */
  place?: Place
  /** What channelAuth is signed for. @default this order's */
  authorized?: SessionBinding
  /** Deposited beforehand. @default 1000 */
  funds?: bigint
  /** Key of the account that deposits. @default the buyer's wallet */
  payer?: Hex
}

/** A buyer and a seller that trust nobody but the chain, and what a cheating buyer can make of his own keys. */
export class EvmMarket implements Market {
  readonly rail = 'evm'
  readonly place: Place
  readonly listing: ListingPayment
  readonly channels: ChannelChain
  wallet = newKey()
  readonly signer = newKey()
  readonly receiverAuthorizer = newKey()
  readonly limits: BudgetLimits
  readonly world: World
  maxDeposit = TOKENS
  claimPolicy: EvmPayeeInit['claimPolicy']
  readonly #t: TestContext
  #buyer: Promise<{ payer: Payer; ledger: Ledger }> | undefined
  #seller: Promise<{ payee: Payee; ledger: Ledger }> | undefined
  #folder = ''

  constructor(t: TestContext, world: World, limits: BudgetLimits) {
    const { profile, channels } = world
    this.#t = t
    this.world = world
    this.limits = limits
    this.channels = channels
    this.place = { chainId: channels.chainId, escrow: channels.escrow }
    this.listing = {
      rail: 'evm',
      network: networkId(profile),
      asset: assetId(profile),
      payTo: channels.account,
      price: { amount: '10', count: 1, unit: 'record' }
    }
  }

  async open(): Promise<this> {
    this.#folder = await tempDir(this.#t)
    this.#t.after(() => this.restart())
    await this.world.chain.faucet?.(this.wallet.address, { token: TOKENS })
    return this
  }

  async sides(): Promise<{ payer: Payer; payee: Payee; ledgers: { buyer: Ledger; seller: Ledger } }> {
    this.#buyer ??= this.#startBuyer()
    this.#seller ??= this.#startSeller()
    const [buyer, seller] = await Promise.all([this.#buyer, this.#seller])
    return { payer: buyer.payer, payee: seller.payee, ledgers: { buyer: buyer.ledger, seller: seller.ledger } }
  }

  async restart(who: 'both' | 'buyer' | 'seller' = 'both'): Promise<void> {
    if (who !== 'seller') {
      await (await this.#buyer)?.ledger.close()
      this.#buyer = undefined
    }
    if (who !== 'buyer') {
      await (await this.#seller)?.ledger.close()
      this.#seller = undefined
    }
  }

  async #startBuyer() {
    const ledger = await openLedger({ path: join(this.#folder, 'buyer.db') })
    const payer = evmPayer({
      ...(await this.#common()),
      channels: ledger.channels,
      budget: createBudget({ spending: ledger.book('eip155:31337').spending, limits: () => this.limits }),
      wallet: this.wallet,
      voucherSigner: this.signer,
      maxWithdrawDelay: 86_400,
      maxDeposit: this.maxDeposit
    })
    return { payer, ledger }
  }

  async #startSeller() {
    const ledger = await openLedger({ path: join(this.#folder, 'seller.db') })
    const payee = evmPayee({
      ...(await this.#common()),
      channels: ledger.channels,
      payTo: this.listing.payTo as Address,
      receiverAuthorizer: this.receiverAuthorizer.address,
      authorizerKey: this.receiverAuthorizer.privateKey,
      ...(this.claimPolicy === undefined ? {} : { claimPolicy: this.claimPolicy }),
      withdrawDelay: WITHDRAW_DELAY,
      quiet: true
    })
    return { payee, ledger }
  }

  async #common() {
    return {
      chain: this.channels,
      eip712: await createEip712(),
      networkId: this.listing.network as string,
      assetId: this.listing.asset as string,
      logger: silent
    }
  }

  async terms(): Promise<PaymentTerms> {
    const terms = (await this.sides()).payee.terms(this.listing)
    assert.ok(terms)
    return terms
  }

  /** The config that an honest buyer would use, with what a cheat changes. */
  config(changes: Partial<ChannelConfig> = {}): ChannelConfig {
    return {
      payer: this.wallet.address,
      payerAuthorizer: this.signer.address,
      receiver: this.listing.payTo as Address,
      receiverAuthorizer: this.receiverAuthorizer.address,
      token: this.channels.token.address,
      withdrawDelay: WITHDRAW_DELAY,
      salt: `0x${randomBytes(32).toString('hex')}`,
      ...changes
    }
  }

  async deposit(config: ChannelConfig, amount: bigint, changes: { collector?: Address; payer?: Hex } = {}) {
    const { token, eip3009Collector, chainId } = this.channels
    const collector = changes.collector ?? eip3009Collector
    const domain = { name: token.name, version: token.version, chainId, verifyingContract: token.address }
    const salt = BigInt(`0x${randomBytes(32).toString('hex')}`)
    const validBefore = (await this.channels.timestamp()) + 600n
    const channelId = channelIdOf(this.place, config)
    const payer = privateKeyToAccount(changes.payer ?? this.wallet.key)
    const data = await signDeposit(payer, domain, { collector, channelId, amount, salt, validBefore })
    return { amount, collector, data }
  }

  /** An order as a cheat would send it: any config, any signer, any place. */
  async order(changes: CheatingOrder = {}): Promise<PayeeRequest & { channelId: Hex }> {
    const {
      config: configChanges,
      key,
      accountKey,
      place = this.place,
      funds = 1000n,
      payer,
      authorized,
      ...rest
    } = changes
    const config = this.config(configChanges)
    const binding = bindingOf(randomBytes(96))
    const channelId = channelIdOf(this.place, config)
    const channelAuth = await signSession(
      key ?? this.signer.key,
      place,
      channelIdOf(place, config),
      authorized ?? binding
    )
    if (funds > 0n) await this.channels.deposit(config, await this.deposit(config, funds, { ...(payer && { payer }) }))
    const accountAuth = accountKey && (await signSession(accountKey, place, channelId, binding))
    const order: RailOrder = { rail: 'evm', config, channelAuth, ...(accountAuth && { accountAuth }), ...rest }
    return { terms: await this.terms(), binding, order, buyer: 'buyer', maximum: 100n, channelId }
  }

  /** What a payer with gas can do behind the seller's back. */
  async payerDoes(index: number, functionName: 'initiateWithdraw' | 'finalizeWithdraw', args: unknown[]) {
    const closers: Array<() => Promise<void>> = []
    const chain = await connect(this.world.profile, index, closers)
    const data = encodeFunctionData({ abi: channelEscrowAbi, functionName, args: args as never })
    await chain.transactions?.send({ label: functionName, to: this.place.escrow, data })
    await closers[0]?.()
  }

  async passTime(seconds: number): Promise<void> {
    await this.rpc('evm_increaseTime', [seconds])
    await this.rpc('evm_mine', [])
  }

  /** Replaces the last blocks by empty ones: what was in them never happened. */
  async reorg(depth: number): Promise<void> {
    await this.rpc('anvil_reorg', [depth, []])
  }

  async rpc(method: string, params: unknown[]): Promise<void> {
    assert.equal((await this.#request(method, params)).error, undefined)
  }

  /** What the escrow answers to a call by the buyer's wallet: the reason of its refusal. */
  async call(data: Hex): Promise<string> {
    const { error } = await this.#request('eth_call', [{ from: this.wallet.address, to: this.place.escrow, data }])
    return error?.data === undefined ? '' : describeRevert(error.data).text
  }

  async #request(method: string, params: unknown[]): Promise<{ error?: { data?: Hex } }> {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(this.world.rpcUrl, { method: 'POST', headers, body })
    return (await response.json()) as { error?: { data?: Hex } }
  }
}

export function bindingOf(bytes: Uint8Array) {
  const part = (from: number): Hex => `0x${Buffer.from(bytes.subarray(from, from + 32)).toString('hex')}`
  return { offerDigest: part(0), buyerPeerDigest: part(32), orderNonce: part(64) }
}
