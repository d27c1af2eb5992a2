import {
  type Address,
  type ChannelChain,
  type ChannelConfig,
  type ChannelState,
  DdmError,
  type Hex,
  type VoucherClaim
} from '../../src/interface/index.ts'
import type { Eip712 } from '../../src/payments/evm/eip712.ts'
import { EPOCH_MS, type Process, type World } from './world.ts'

interface Channel {
  balance: bigint
  claimed: bigint
  pending: bigint
  finalizeAfter: bigint
  refunds: bigint
}

interface State {
  channels: Map<Hex, Channel>
  tokens: Map<Address, bigint>
  used: Set<string>
  deposited: bigint
  claimed: bigint
  returned: bigint
}

interface Transaction {
  name: string
  apply: (state: State, time: bigint) => void
  resolve: () => void
  reject: (error: Error) => void
  block?: Block
}

interface Block {
  time: bigint
  state: State
  transactions: Transaction[]
}

/** What a process has seen of the chain: the height of the newest block. */
interface View {
  seen: number
}

export const ESCROW: Address = `0x${'e5'.repeat(20)}`
export const TOKEN: Address = `0x${'cc'.repeat(20)}`
const COLLECTOR: Address = `0x${'c0'.repeat(20)}`
const BLOCK_MS = 1_000
const CONFIRMATIONS = 2
export const MAX_LAG = 2

/** The escrow and its chain: blocks that come, are undone and come again; answers that lag or fail. */
export class Chain {
  readonly #world: World
  readonly #eip712: Eip712
  readonly #domain: Uint8Array
  readonly #blocks: Block[]
  #pool: Transaction[] = []
  #mining = false
  /** No answers until then. */
  silentUntil = 0
  /** Answers are so many blocks old. */
  lag = 0

  constructor(world: World, eip712: Eip712, tokens: Array<[Address, bigint]>) {
    this.#world = world
    this.#eip712 = eip712
    this.#domain = eip712.escrowDomain(1, ESCROW)
    const state: State = {
      channels: new Map(),
      tokens: new Map(tokens),
      used: new Set(),
      deposited: 0n,
      claimed: 0n,
      returned: 0n
    }
    this.#blocks = [{ time: this.#time(), state, transactions: [] }]
  }

  #time(): bigint {
    return BigInt(Math.floor((EPOCH_MS + this.#world.now) / 1000))
  }

  get head(): State {
    return (this.#blocks.at(-1) as Block).state
  }

  /** What nobody can undo any more. */
  get confirmed(): State {
    return this.#at(CONFIRMATIONS)
  }

  #at(depth: number): State {
    return (this.#blocks[Math.max(0, this.#blocks.length - 1 - depth)] as Block).state
  }

  /** How far behind a process sees the chain: never behind what it has seen before. */
  #lagOf(view: View): number {
    const height = Math.max(this.#blocks.length - 1 - this.lag, Math.min(view.seen, this.#blocks.length - 1))
    view.seen = height
    return this.#blocks.length - 1 - height
  }

  /** Money is neither made nor lost. */
  get balanced(): boolean {
    const { channels, deposited, claimed, returned } = this.head
    let held = 0n
    for (const { balance, claimed: paid } of channels.values()) held += balance - paid
    return deposited === claimed + returned + held
  }

  /** Undoes blocks that were not final; most of what was in them comes again, the rest never. */
  reorg(): void {
    const depth = Math.min(this.#world.random.int(1, CONFIRMATIONS), this.#blocks.length - 1)
    if (depth === 0) return
    this.#world.fault('reorg')
    const undone = this.#blocks.splice(-depth).flatMap(({ transactions }) => transactions)
    for (const transaction of undone) {
      if (this.#world.random.chance(0.8)) this.#pool.push(transaction)
      else {
        this.#world.fault(transaction.name === 'deposit' ? 'orphanedDeposit' : 'orphanedTransaction')
        transaction.reject(new DdmError('chain', `${transaction.name} was orphaned`))
      }
    }
    // The chain that wins is no shorter.
    for (let i = 0; i < depth; i++) this.#blocks.push({ time: this.#time(), state: this.head, transactions: [] })
    this.#keepMining()
  }

  #keepMining(): void {
    if (this.#mining) return
    this.#mining = true
    this.#world.after(BLOCK_MS, () => this.#mine())
  }

  #mine(): void {
    this.#mining = false
    const before = this.head
    const state: State = {
      ...before,
      channels: new Map([...before.channels].map(([id, channel]) => [id, { ...channel }])),
      tokens: new Map(before.tokens),
      used: new Set(before.used)
    }
    const block: Block = { time: this.#time(), state, transactions: [] }
    for (const transaction of this.#pool.splice(0)) {
      try {
        transaction.apply(state, block.time)
        block.transactions.push(transaction)
      } catch (error) {
        transaction.reject(new DdmError('chain', `${transaction.name} reverted: ${(error as Error).message}`))
      }
    }
    this.#blocks.push(block)
    const final = this.#blocks.at(-1 - CONFIRMATIONS)
    for (const transaction of final?.transactions ?? []) transaction.resolve()
    // Until everybody can see what was mined.
    const recent = this.#blocks.slice(-CONFIRMATIONS - MAX_LAG)
    if (this.#pool.length > 0 || recent.some(({ transactions }) => transactions.length > 0)) this.#keepMining()
  }

  #send(process: Process, view: View, name: string, apply: Transaction['apply']): Promise<Hex> {
    return new Promise((resolve, reject) => {
      const answer = <T>(act: (value: T) => void, value: T): void => {
        if (process.alive) act(value)
      }
      this.#pool.push({
        name,
        apply,
        resolve: () => {
          view.seen = Math.max(view.seen, this.#blocks.length - 1)
          answer(resolve, `0x${'11'.repeat(32)}` as Hex)
        },
        reject: (error) => answer(reject, error)
      })
      this.#keepMining()
    })
  }

  #ask<T>(process: Process, get: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#world.after(this.#world.random.int(1, 30), () => {
        if (!process.alive) return
        this.#world.current = process
        if (this.#world.now < this.silentUntil) reject(new DdmError('unreachable', 'the chain does not answer'))
        else resolve(get())
      })
    })
  }

  #channelOf(state: State, id: Hex): Channel {
    return state.channels.get(id) ?? { balance: 0n, claimed: 0n, pending: 0n, finalizeAfter: 0n, refunds: 0n }
  }

  #stateOf(id: Hex, view: View): ChannelState {
    const lag = this.#lagOf(view)
    const depth = CONFIRMATIONS + lag
    const { balance, claimed, pending, finalizeAfter } = this.#channelOf(this.#at(depth), id)
    // A withdrawal counts as soon as anybody sees it.
    const newest = this.#channelOf(this.#at(lag), id)
    return {
      balance,
      totalClaimed: claimed,
      pendingWithdrawal: newest.pending > pending ? newest.pending : pending,
      finalizeAfter: newest.finalizeAfter > 0n ? newest.finalizeAfter : finalizeAfter,
      unconfirmed: newest.balance > balance ? newest.balance - balance : 0n
    }
  }

  idOf(config: ChannelConfig): Hex {
    return this.#eip712.channelId(this.#domain, config)
  }

  /** The chain as a process sees it. */
  viewOf(process: Process, account: Address): ChannelChain {
    const view: View = { seen: 0 }
    const send = (name: string, apply: Transaction['apply']): Promise<Hex> => this.#send(process, view, name, apply)
    const ask = <T>(get: () => T): Promise<T> => this.#ask(process, get)
    return {
      chainId: 1,
      escrow: ESCROW,
      token: { address: TOKEN, name: 'USD Coin', version: '2', decimals: 6 },
      eip3009Collector: COLLECTOR,
      account,
      channel: (id) => ask(() => this.#stateOf(id, view)),
      channelStates: (channels) => ask(() => channels.map(({ channelId }) => this.#stateOf(channelId, view))),
      tokenBalance: (owner) => ask(() => this.#at(this.#lagOf(view)).tokens.get(owner) ?? 0n),
      deposit: (config, { amount, data }) =>
        send('deposit', (state, time) => {
          const id = this.idOf(config)
          const [validBefore, salt] = [64, 128].map((at) => BigInt(`0x${data.slice(2 + at, 2 + at + 64)}`))
          const nonce = this.#eip712.depositNonce(id, salt as bigint)
          if (state.used.has(nonce)) throw new Error('AuthorizationUsedOrCanceled')
          if (time >= (validBefore as bigint)) throw new Error('AuthorizationExpired')
          const held = state.tokens.get(config.payer) ?? 0n
          if (held < amount) throw new Error('InsufficientBalance')
          state.used.add(nonce)
          state.tokens.set(config.payer, held - amount)
          const channel = this.#channelOf(state, id)
          state.channels.set(id, { ...channel, balance: channel.balance + amount })
          state.deposited += amount
        }),
      isAuthorizationUsed: (_owner, nonce) => ask(() => this.#at(CONFIRMATIONS + this.#lagOf(view)).used.has(nonce)),
      simulateClaim: (claims) => ask(() => claims.map((claim) => this.#claimProblem(this.head, claim)).find(Boolean)),
      claim: (claims) =>
        send('claim', (state) => {
          for (const claim of claims) {
            const problem = this.#claimProblem(state, claim)
            if (problem !== undefined) throw new Error(problem)
            const id = this.idOf(claim.config)
            const channel = this.#channelOf(state, id)
            if (claim.totalClaimed <= channel.claimed) continue
            state.claimed += claim.totalClaimed - channel.claimed
            state.channels.set(id, { ...channel, claimed: claim.totalClaimed })
          }
        }),
      settle: async () => undefined,
      refundNonce: (id) => ask(() => this.#channelOf(this.#at(this.#lagOf(view)), id).refunds),
      refund: (config, { amount, nonce, signature }) =>
        send('refund', (state) => {
          const id = this.idOf(config)
          const channel = this.#channelOf(state, id)
          if (nonce !== channel.refunds) throw new Error('InvalidRefundNonce')
          const signer = this.#eip712.recover(this.#eip712.refund(this.#domain, id, nonce, amount), signature)
          if (signer !== config.receiverAuthorizer) throw new Error('InvalidRefundSignature')
          this.#giveBack(state, config, { ...channel, refunds: channel.refunds + 1n }, amount)
        }),
      initiateWithdraw: (config, amount) =>
        send('withdraw', (state, time) => {
          const id = this.idOf(config)
          const channel = this.#channelOf(state, id)
          if (channel.pending > 0n) throw new Error('WithdrawalPending')
          state.channels.set(id, { ...channel, pending: amount, finalizeAfter: time + BigInt(config.withdrawDelay) })
        }),
      finalizeWithdraw: (config) =>
        send('finalize', (state, time) => {
          const channel = this.#channelOf(state, this.idOf(config))
          if (channel.pending === 0n || time < channel.finalizeAfter) throw new Error('WithdrawDelayNotElapsed')
          this.#giveBack(state, config, { ...channel, pending: 0n, finalizeAfter: 0n }, channel.pending)
        }),
      gasPrice: async () => 1n,
      timestamp: () => ask(() => this.#time())
    }
  }

  #giveBack(state: State, config: ChannelConfig, channel: Channel, wanted: bigint): void {
    const free = channel.balance - channel.claimed
    const amount = wanted < free ? wanted : free
    state.channels.set(this.idOf(config), { ...channel, balance: channel.balance - amount })
    state.tokens.set(config.payer, (state.tokens.get(config.payer) ?? 0n) + amount)
    state.returned += amount
  }

  #claimProblem(state: State, { config, voucher, totalClaimed }: VoucherClaim): string | undefined {
    const id = this.idOf(config)
    const digest = this.#eip712.voucher(this.#domain, id, voucher.maxClaimableAmount)
    if (this.#eip712.recover(digest, voucher.signature) !== config.payerAuthorizer) return 'InvalidVoucher'
    if (totalClaimed > voucher.maxClaimableAmount) return 'ClaimExceedsCeiling'
    if (totalClaimed > this.#channelOf(state, id).balance) return 'ClaimExceedsBalance'
    return undefined
  }
}
